"""The live stream's listeners: which updates each subscribes to, and what is still to be sent."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field

import orjson

_PENDING_MAXIMUM = 2_000
HEARTBEAT_SECONDS = 15.0
_LAST_BYTES_SECONDS = 2.0
"""How long an ended stream may still send: a client that reads nothing would otherwise keep it open forever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreUpdate:
    """A published score. ``change`` orders updates; ``body`` is the JSON of a ``ScoreUpdated`` (contracts.scores)."""

    change: int
    campaign: str
    window: str
    segment: str
    body: str

    @classmethod
    def read(cls, change: int, body: str) -> "ScoreUpdate":
        score = orjson.loads(body)
        return cls(
            change=change, campaign=score["campaign"], window=score["window"], segment=score["segment"], body=body
        )


Wanted = Callable[[ScoreUpdate], bool]


@dataclass(slots=True, eq=False)
class Listener:
    """``pending`` holds the latest unsent update of each key, so that a slow listener skips updates instead of lagging.

    ``timeout`` covers the sending, and is set to expire once the stream has ended.
    """

    wanted: Wanted
    after: int
    pending: dict[tuple[str, str, str], ScoreUpdate] = field(default_factory=dict)
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    ended: bool = False
    timeout: asyncio.Timeout | None = None

    def offer(self, update: ScoreUpdate) -> None:
        if self.ended or update.change <= self.after:
            return
        self.after = update.change
        if not self.wanted(update):
            return
        key = (update.campaign, update.window, update.segment)
        # Removed first, so that updates are sent in the order of changes and the last id sent is where to resume.
        self.pending.pop(key, None)
        self.pending[key] = update
        if len(self.pending) > _PENDING_MAXIMUM:
            self.end()
        self.ready.set()

    def end(self) -> None:
        self.ended = True
        self.pending.clear()
        self.ready.set()
        if self.timeout is not None:
            self.timeout.reschedule(asyncio.get_running_loop().time() + _LAST_BYTES_SECONDS)

    async def updates(self) -> AsyncGenerator[ScoreUpdate | None, None]:
        """Updates as they arrive; None is a heartbeat.

        Ends when the process stops or the listener is too slow. A new listener after the last ``change`` resumes, with
        the latest state of each changed score.
        """
        while not self.ended:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.ready.wait(), HEARTBEAT_SECONDS)
            self.ready.clear()
            updates, self.pending = list(self.pending.values()), {}
            if not updates and not self.ended:
                yield None
            for update in updates:
                yield update


class Stream:
    """All listeners of this process, at most ``limit``."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._listeners: set[Listener] = set()
        self._closed = False

    @property
    def listeners(self) -> int:
        return len(self._listeners)

    @property
    def after(self) -> int | None:
        """The last change that every listener has been offered; None without listeners."""
        return min((listener.after for listener in self._listeners), default=None)

    def enter(self, wanted: Wanted, *, after: int) -> Listener | None:
        """A new listener to changes after ``after``; None when there are too many already, or the process is stopping.
        It counts until it leaves."""
        if self._closed or len(self._listeners) >= self._limit:
            return None
        listener = Listener(wanted, after)
        self._listeners.add(listener)
        return listener

    def leave(self, listener: Listener) -> None:
        self._listeners.discard(listener)

    def offer(self, update: ScoreUpdate) -> None:
        """Passes an update to every listener; updates are in the order of their changes."""
        for listener in self._listeners:
            listener.offer(update)

    async def close(self) -> None:
        """Ends every stream, so that the process can stop."""
        self._closed = True
        for listener in self._listeners:
            listener.end()
