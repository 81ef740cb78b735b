"""One relay per schema publishes at a time: the one whose session holds the turn."""

from collections.abc import Callable
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from shared.messaging.repository import turn as repository
from shared.messaging.repository.turn import Attempt
from shared.persistence.engine import open_engine

# The session of a relay that has the turn is used at least once a second. PostgreSQL ends one that is not, because its
# process is stalled or cut off; longer than a round of the relay takes.
_IDLE_SESSION_MILLISECONDS = 15_000


class Turn:
    """A session of its own, outside the pool, that holds the turn from when it gets it until it ends.

    ``wake`` is called when another process has committed something to publish, and when the session is lost.
    """

    def __init__(self, url: str, *, name: str, wake: Callable[[], None]) -> None:
        self._engine = open_engine(
            url,
            name=f"{name}-relay",
            pool_size=1,
            idle_session_timeout=str(_IDLE_SESSION_MILLISECONDS),
            # If PostgreSQL crashes, what was published last is published again, in order; that costs less than waiting
            # for the disk each time. Only the relay's session deletes from the outbox.
            synchronous_commit="off",
            # The outbox is read in the order of its index, a few rows at a time. Statistics taken when it was empty or
            # full must not persuade the planner to read all of a table that has mostly deleted rows, and to sort it.
            enable_seqscan="off",
            enable_bitmapscan="off",
        )
        self._wake = wake
        self._connection: AsyncConnection | None = None
        self._driver: Any = None
        self.taken = False
        self.schema = ""

    @property
    def connection(self) -> AsyncConnection:
        """The session; statements commit by themselves. What is read here was read with the turn, if it is taken."""
        assert self._connection is not None, "attempt comes first"
        return self._connection

    async def attempt(self, *, wake: bool, look: bool = True) -> Attempt:
        """Tries to take the turn; ``wake`` notifies the relay that has it, if that is another one. ``look`` reads the
        age of the oldest record, which walks over what was deleted and cannot be removed yet."""
        if self._connection is None:
            await self._open()
        found = await repository.attempt(self.connection, wake=wake, look=look)
        if found.taken:
            # Before anything is read, so that nothing committed in between goes unnoticed for long.
            await self._driver.add_listener(repository.channel(self.schema), lambda *_: self._wake())
        self.taken = found.taken
        return found

    async def _open(self) -> None:
        connection = await self._engine.connect()
        try:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            self.schema = await repository.schema(connection)
            driver = (await connection.get_raw_connection()).driver_connection
            assert driver is not None
            driver.add_termination_listener(lambda *_: self._wake())
        except BaseException:
            await connection.invalidate()
            await connection.close()
            raise
        self._connection, self._driver = connection, driver

    async def end(self) -> None:
        """Ends the session, and with it the turn, without waiting for a database that does not respond."""
        connection, driver, self._connection, self._driver = self._connection, self._driver, None, None
        self.taken = False
        if connection is not None:
            driver.terminate()
            await connection.invalidate()
            await connection.close()
        await self._engine.dispose()
