"""The live stream: scores as they are published, to any number of listeners, from one look at the database."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from typing import Any

import orjson

from services.scorer.repository import publication
from services.scorer.settings import ScorerSettings
from shared.runtime import Runtime

Score = dict[str, Any]
Wanted = Callable[[Score], bool]

_ROWS_AT_ONCE = 500
_PENDING = 2_000
HEARTBEAT_SECONDS = 15.0


@dataclass(slots=True, eq=False)
class _Listener:
    """``pending`` holds the newest update of each key that was not yet sent, so a slow listener skips, not lags."""

    wanted: Wanted
    after: int
    pending: dict[tuple[str, str, str], tuple[int, Score]] = field(default_factory=dict)
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    ended: bool = False

    def offer(self, change: int, score: Score) -> None:
        if change <= self.after:
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
        self.ready.set()


class Stream:
    """``poll`` is the action of a loop; ``listen`` is one listener's view."""

    def __init__(self, runtime: Runtime[ScorerSettings]) -> None:
        self._runtime = runtime
        self._listeners: set[_Listener] = set()
        self._closed = False

    async def poll(self) -> bool:
        """Hands what changed to the listeners; True when there is more. Without listeners it asks nothing."""
        if not self._listeners:
            return False
        after = min(listener.after for listener in self._listeners)
        async with self._runtime.reading() as connection:
            changes = await publication.changes_after(connection, after, _ROWS_AT_ONCE)
        for change, body in changes:
            score = orjson.loads(body)
            for listener in self._listeners:
                listener.offer(change, score)
        return len(changes) == _ROWS_AT_ONCE

    @property
    def listeners(self) -> int:
        return len(self._listeners)

    @property
    def full(self) -> bool:
        """Whether another listener would be one too many; also when the process is stopping."""
        return self._closed or len(self._listeners) >= self._runtime.settings.stream_clients

    async def listen(self, wanted: Wanted, after: int | None = None) -> AsyncGenerator[tuple[int, Score] | None, None]:
        """Updates with the number to go on from, from now on or after ``after``; None is a heartbeat.

        It ends when the process stops or the listener is hopelessly slow; asking again with the last number continues,
        with each score as it stands by then.
        """
        if after is None:
            async with self._runtime.reading() as connection:
                after = await publication.last_change(connection)
        listener = _Listener(wanted, after)
        self._listeners.add(listener)
        try:
            while not self._closed and not listener.ended:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(listener.ready.wait(), HEARTBEAT_SECONDS)
                listener.ready.clear()
                updates, listener.pending = list(listener.pending.values()), {}
                if not updates:
                    yield None
                for update in updates:
                    yield update
        finally:
            self._listeners.discard(listener)

    async def as_text(self, wanted: Wanted, after: int | None = None) -> AsyncGenerator[bytes, None]:
        """The same as server-sent events named ``score.updated`` (WHATWG HTML, section 9.2)."""
        yield b"retry: 2000\n\n"
        async with contextlib.aclosing(self.listen(wanted, after)) as updates:
            async for update in updates:
                if update is None:
                    yield b": still here\n\n"
                else:
                    change, score = update
                    yield b"id: %d\nevent: score.updated\ndata: %b\n\n" % (change, orjson.dumps(score))

    async def close(self) -> None:
        """Ends every stream, so that the process can."""
        self._closed = True
        for listener in self._listeners:
            listener.end()
