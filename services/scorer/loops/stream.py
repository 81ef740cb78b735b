"""The live stream: scores as they are published, to any number of listeners, from one look at the database."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from typing import Any

import orjson
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from services.scorer.repository import scores as publication
from services.scorer.settings import ScorerSettings
from shared.runtime import Runtime

Score = dict[str, Any]
Wanted = Callable[[Score], bool]

_ROWS_AT_ONCE = 500
_PENDING = 2_000
HEARTBEAT_SECONDS = 15.0
_LAST_BYTES_SECONDS = 2.0
"""What an ended stream has for sending what is under way: a client that reads nothing would keep it for ever."""


@dataclass(slots=True, eq=False)
class Listener:
    """``pending`` holds the newest update of each key that was not yet sent, so a slow listener skips, not lags.

    ``bound`` is on whatever sends to it, and runs once it has ended.
    """

    wanted: Wanted
    after: int
    pending: dict[tuple[str, str, str], tuple[int, Score]] = field(default_factory=dict)
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    ended: bool = False
    bound: asyncio.Timeout | None = None

    def offer(self, change: int, score: Score) -> None:
        if self.ended or change <= self.after:
            return
        self.after = change
        if not self.wanted(score):
            return
        key = (score["campaign"], score["window"], score["segment"])
        # Taken out first, so that what is sent stays in the order of changes and its last id tells where to go on.
        self.pending.pop(key, None)
        self.pending[key] = (change, score)
        if len(self.pending) > _PENDING:
            self.end()
        self.ready.set()

    def end(self) -> None:
        self.ended = True
        self.pending.clear()
        self.ready.set()
        if self.bound is not None:
            self.bound.reschedule(asyncio.get_running_loop().time() + _LAST_BYTES_SECONDS)


class Stream:
    """``poll`` is the action of a loop; who has ``enter``ed listens until they ``leave``."""

    def __init__(self, runtime: Runtime[ScorerSettings]) -> None:
        self._runtime = runtime
        self._listeners: set[Listener] = set()
        self._closed = False

    async def poll(self) -> bool:
        """Hands what changed to the listeners; True when there is more. Without listeners it asks nothing."""
        if not self._listeners:
            return False
        after = min(listener.after for listener in self._listeners)
        async with self._runtime.read_only() as connection:
            changes = await publication.changes_after(connection, after, _ROWS_AT_ONCE)
        for change, body in changes:
            score = orjson.loads(body)
            for listener in self._listeners:
                listener.offer(change, score)
        return len(changes) == _ROWS_AT_ONCE

    @property
    def listeners(self) -> int:
        return len(self._listeners)

    async def enter(self, wanted: Wanted, after: int | None = None) -> Listener | None:
        """A new listener, to what comes from now on or after ``after``; None where it would be one too many, and when
        the process is stopping. It counts until it ``leave``s."""
        if after is None:
            async with self._runtime.read_only() as connection:
                after = await publication.last_change(connection)
        if self._closed or len(self._listeners) >= self._runtime.settings.stream_clients:
            return None
        listener = Listener(wanted, after)
        self._listeners.add(listener)
        return listener

    def leave(self, listener: Listener) -> None:
        self._listeners.discard(listener)

    async def listen(self, listener: Listener) -> AsyncGenerator[tuple[int, Score] | None, None]:
        """Updates with the number to go on from; None is a heartbeat.

        It ends when the process stops or the listener is hopelessly slow; asking again with the last number continues,
        with each score as it stands by then.
        """
        while not listener.ended:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(listener.ready.wait(), HEARTBEAT_SECONDS)
            listener.ready.clear()
            updates, listener.pending = list(listener.pending.values()), {}
            if not updates and not listener.ended:
                yield None
            for update in updates:
                yield update

    async def close(self) -> None:
        """Ends every stream, so that the process can."""
        self._closed = True
        for listener in self._listeners:
            listener.end()


async def _as_text(updates: AsyncGenerator[tuple[int, Score] | None, None]) -> AsyncGenerator[bytes, None]:
    """As server-sent events named ``score.updated`` (WHATWG HTML, section 9.2)."""
    yield b"retry: 2000\n\n"
    async for update in updates:
        if update is None:
            yield b": still here\n\n"
        else:
            change, score = update
            yield b"id: %d\nevent: score.updated\ndata: %b\n\n" % (change, orjson.dumps(score))


class Live(StreamingResponse):
    """The stream of one listener, who leaves with it, however it ends."""

    def __init__(self, stream: Stream, listener: Listener) -> None:
        self._stream = stream
        self._listener = listener
        self.events = _as_text(stream.listen(listener))
        super().__init__(
            self.events,
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with asyncio.timeout(None) as self._listener.bound:
                await super().__call__(scope, receive, send)
        except TimeoutError:
            pass  # It reads too slowly; the server closes the connection, and the client may continue on another.
        finally:
            self._stream.leave(self._listener)
