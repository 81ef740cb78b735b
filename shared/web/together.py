"""Work that several requests ask for at once is done once for all of them."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class Together(Generic[K, T]):
    """Shares results between requests that wait at the same time, never across time.

    Whoever asks while the same work is in progress gets the result of the next run, which begins afterwards: nobody
    gets what was read before they asked. However many ask at once, the work is done twice at most.
    """

    def __init__(self) -> None:
        self._running: dict[K, asyncio.Task[T]] = {}
        self._following: dict[K, asyncio.Task[T]] = {}

    async def get(self, key: K, work: Callable[[], Awaitable[T]]) -> T:
        """The result of ``work``, which is the same for the same ``key``. Raises what it raises."""
        if key not in self._running:
            task = self._running[key] = asyncio.create_task(self._run(key, work))
        elif key in self._following:
            task = self._following[key]
        else:
            task = self._following[key] = asyncio.create_task(self._run(key, work, after=self._running[key]))
        task.add_done_callback(_look)
        # One client that goes away does not take the others' work with it.
        return await asyncio.shield(task)

    async def _run(self, key: K, work: Callable[[], Awaitable[T]], after: "asyncio.Task[T] | None" = None) -> T:
        if after is not None:
            await asyncio.wait([after])
        try:
            return await work()
        finally:
            following = self._following.pop(key, None)
            if following is None:
                self._running.pop(key, None)
            else:
                self._running[key] = following


def _look(task: "asyncio.Task[T]") -> None:
    """Marks the error of a task as seen, whose clients may all have gone."""
    if not task.cancelled():
        task.exception()
