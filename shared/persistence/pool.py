"""A pool of connections of which HTTP requests get at most half, so that the consumer and the loops always find one.

A flood of requests waits for requests to end, in the order they came; it never stands in front of a batch.
"""

import asyncio
import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

from sqlalchemy.exc import TimeoutError as NoConnection
from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry
from sqlalchemy.util import await_

_in_request: ContextVar[bool] = ContextVar("in_request", default=False)


@contextlib.contextmanager
def for_requests(yes: bool = True) -> Iterator[None]:
    """Within this block, and in tasks that it starts, connections are those of requests, or if not ``yes`` any."""
    before = _in_request.set(yes)
    try:
        yield
    finally:
        _in_request.reset(before)


class SharedPool(AsyncAdaptedQueuePool):
    """Raises ``NoConnection`` when no connection, or none for requests, becomes free within the pool's timeout."""

    def __init__(self, creator: Any, pool_size: int = 5, **options: Any) -> None:
        super().__init__(creator, pool_size=pool_size, **options)
        self._free_for_requests = asyncio.Semaphore(max(1, pool_size // 2))
        self._of_requests: set[ConnectionPoolEntry] = set()

    def _do_get(self) -> ConnectionPoolEntry:
        if not _in_request.get():
            return super()._do_get()
        await_(self._wait())
        try:
            # The pool may call itself again.
            with for_requests(False):
                entry = super()._do_get()
        except BaseException:
            self._free_for_requests.release()
            raise
        self._of_requests.add(entry)
        return entry

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        super()._do_return_conn(record)
        if record in self._of_requests:
            self._of_requests.remove(record)
            self._free_for_requests.release()

    async def _wait(self) -> None:
        if not self._free_for_requests.locked():
            await self._free_for_requests.acquire()
            return
        try:
            async with asyncio.timeout(self.timeout()):
                await self._free_for_requests.acquire()
        except TimeoutError:
            raise NoConnection("every connection that requests may have is in use") from None
