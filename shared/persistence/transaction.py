"""Transactions in which SQLAlchemy's statements and those of ``statement.Statement`` are one.

They are begun and ended on the driver's own connection. SQLAlchemy would begin one with its own first statement only,
and whatever came directly before that would have committed by itself.
"""

import contextlib
from collections.abc import AsyncIterator, Awaitable
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from asyncpg.exceptions import InterfaceError, InternalClientError, PostgresError
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

T = TypeVar("T")

_autocommitting: WeakKeyDictionary[Engine, AsyncEngine] = WeakKeyDictionary()


@contextlib.asynccontextmanager
async def transaction(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A transaction that commits at the end of the block, and rolls back when the block raises."""
    async with autocommit(engine) as connection, begun(connection):
        yield connection


@contextlib.asynccontextmanager
async def begun(connection: AsyncConnection) -> AsyncIterator[None]:
    """A transaction on a connection of ``autocommit`` that is kept for longer."""
    driver = driver_of(connection)
    try:
        await translated(driver, driver.execute("BEGIN"))
        yield
        ended = await translated(driver, driver.execute("COMMIT"))
        if ended != "COMMIT":
            raise RuntimeError("a statement failed and nobody noticed, so that the transaction was rolled back")
    except Exception:
        await _roll_back(driver)
        raise


@contextlib.asynccontextmanager
async def savepoint(connection: AsyncConnection) -> AsyncIterator[None]:
    """A part of the transaction that is undone by itself when the block raises."""
    driver = driver_of(connection)
    await translated(driver, driver.execute("SAVEPOINT part"))
    try:
        yield
    except Exception:
        await translated(driver, driver.execute("ROLLBACK TO SAVEPOINT part"))
        raise
    await translated(driver, driver.execute("RELEASE SAVEPOINT part"))


@contextlib.asynccontextmanager
async def rolled_back(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A transaction that changes nothing: it is rolled back at the end of the block."""
    async with _never_committed(engine, "BEGIN") as connection:
        yield connection


@contextlib.asynccontextmanager
async def read_only(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A read-only transaction, in which every statement reads the same snapshot."""
    async with _never_committed(engine, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY") as connection:
        yield connection


@contextlib.asynccontextmanager
async def _never_committed(engine: AsyncEngine, begin: str) -> AsyncIterator[AsyncConnection]:
    async with autocommit(engine) as connection:
        driver = driver_of(connection)
        try:
            await translated(driver, driver.execute(begin))
            yield connection
        except Exception:
            await _roll_back(driver)
            raise
        await _roll_back(driver)


@contextlib.asynccontextmanager
async def autocommit(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection on which each statement commits by itself."""
    async with _in_autocommit(engine).connect() as connection:
        driver = driver_of(connection)
        try:
            yield connection
        except Exception:
            raise
        except BaseException:
            # Cancelled in the middle of something: nobody knows what the connection is waiting for.
            driver.terminate()
            raise
        finally:
            if driver.is_closed():
                await connection.invalidate()


def driver_of(connection: AsyncConnection) -> Any:
    """asyncpg's connection; RuntimeError if SQLAlchemy decides what is a transaction on it."""
    assert connection.sync_connection is not None
    pooled = connection.sync_connection.connection
    if not pooled.dbapi_connection.autocommit:  # type: ignore[union-attr]  # set by the execution option
        raise RuntimeError("a statement of its own needs a connection of persistence.transaction or Runtime")
    return pooled.driver_connection


async def translated(driver: Any, work: Awaitable[T]) -> T:
    """Awaits something of the driver. Raises what SQLAlchemy raises for the same error: ``DBAPIError``."""
    try:
        return await work
    except (PostgresError, InterfaceError, InternalClientError) as error:
        raise DBAPIError(None, None, error, hide_parameters=True, connection_invalidated=driver.is_closed()) from error


def _in_autocommit(engine: AsyncEngine) -> AsyncEngine:
    found = _autocommitting.get(engine.sync_engine)
    if found is None:
        found = _autocommitting[engine.sync_engine] = engine.execution_options(isolation_level="AUTOCOMMIT")
    return found


async def _roll_back(driver: Any) -> None:
    """Ends the connection if that is not possible: nobody may go on in its transaction."""
    try:
        if not driver.is_closed():
            await driver.execute("ROLLBACK")
    except (PostgresError, InterfaceError, InternalClientError, OSError):
        driver.terminate()
