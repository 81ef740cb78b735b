"""A live stream's listeners: which updates each subscribes to, and what is still to be sent."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Hashable
from typing import Generic, Protocol, TypeVar

_PENDING_MAXIMUM = 2_000
_HEARTBEAT_SECONDS = 15.0
_LAST_BYTES_SECONDS = 2.0
"""How long an ended stream may still send: a client that reads nothing would otherwise keep it open forever."""


class Update(Protocol):
    """``change`` orders updates; of several with the same ``key``, only the latest matters."""

    @property
    def change(self) -> int: ...

    @property
    def key(self) -> Hashable: ...


U = TypeVar("U", bound=Update)


class Listener(Generic[U]):
    """One client. ``wanted`` decides which updates it gets, of those after change ``after``.

    ``pending`` holds the latest unsent update of each key, so that a slow listener skips updates instead of lagging.
    ``timeout`` covers the sending, and is set to expire once the stream has ended.
    """

    def __init__(self, wanted: Callable[[U], bool], *, after: int) -> None:
        self.wanted = wanted
        self.after = after
        self.pending: dict[Hashable, U] = {}
        self.ready = asyncio.Event()
        self.ended = False
        self.timeout: asyncio.Timeout | None = None

    def offer(self, update: U) -> None:
        if self.ended or update.change <= self.after:
            return
        self.after = update.change
        if not self.wanted(update):
            return
        # Removed first, so that updates are sent in the order of changes and the last id sent is where to resume.
        key = update.key
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

    async def updates(self) -> AsyncGenerator[U | None, None]:
        """Updates as they arrive; None is a heartbeat.

        Ends when the process stops or the listener is too slow. A new listener after the last ``change`` resumes, with
        the latest update of each changed key.
        """
        while not self.ended:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.ready.wait(), _HEARTBEAT_SECONDS)
            self.ready.clear()
            updates, self.pending = list(self.pending.values()), {}
            if not updates and not self.ended:
                yield None
            for update in updates:
                yield update


class Stream(Generic[U]):
    """All listeners of this process, at most ``limit``."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._listeners: set[Listener[U]] = set()
        self._closed = False

    @property
    def after(self) -> int | None:
        """The last change that every listener has been offered; None without listeners."""
        return min((listener.after for listener in self._listeners), default=None)

    @property
    def furthest(self) -> int:
        """The last change that any listener has been offered; 0 without listeners."""
        return max((listener.after for listener in self._listeners), default=0)

    def begin_again(self, *, above: int) -> None:
        """Offers every change again to listeners beyond change ``above``, because it is the newest that exists."""
        for listener in self._listeners:
            if listener.after > above:
                listener.after = 0

    def enter(self, wanted: Callable[[U], bool], *, after: int) -> Listener[U] | None:
        """A new listener to changes after ``after``; None when there are too many already, or the process is stopping.
        It counts until it leaves."""
        if self._closed or len(self._listeners) >= self._limit:
            return None
        listener = Listener(wanted, after=after)
        self._listeners.add(listener)
        return listener

    def leave(self, listener: Listener[U]) -> None:
        self._listeners.discard(listener)

    def offer(self, update: U) -> None:
        """Passes an update to every listener; updates are in the order of their changes."""
        for listener in self._listeners:
            listener.offer(update)

    def pass_over(self, change: int) -> None:
        """Nobody is offered this change, which is the next one."""
        for listener in self._listeners:
            listener.after = max(listener.after, change)

    async def close(self) -> None:
        """Ends every stream, so that the process can stop."""
        self._closed = True
        for listener in self._listeners:
            listener.end()
