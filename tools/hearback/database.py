"""The installation's database, as the commands use it: connected to, and asked which services have a table."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import asyncpg
from aiokafka.errors import KafkaError
from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError

from shared.kafka_settings import KafkaSettings, settings_errors
from shared.messaging.reachability import SETTING as KAFKA_SETTING
from shared.messaging.reachability import why_failing
from shared.persistence.connecting import SETTING as DATABASE_SETTING
from shared.persistence.connecting import CannotConnect, why_not_connected
from shared.persistence.engine import what_failed
from shared.persistence.urls import driver_url
from shared.terminal import fail
from tools.environment import installation_environment

T = TypeVar("T")
K = TypeVar("K", bound=KafkaSettings)

NOT_DONE = 1
CANNOT = 2
_CONNECT_SECONDS = 10
_STATEMENT_SECONDS = 60


class NotSet(ValueError):
    """A setting that a command needs is missing or cannot be read; the message names it and the way out."""


@dataclass(frozen=True, slots=True)
class Database:
    """``connection`` is asyncpg's; ``schemas`` are those that have the table asked for, quoted for use in SQL."""

    connection: Any
    schemas: Sequence[str]


def database_url() -> str:
    """HEARBACK_DATABASE_URL, as asyncpg reads it. Raises NotSet, also for one that cannot be read."""
    try:
        return driver_url(setting(DATABASE_SETTING))
    except NotSet:
        raise
    except ValueError as error:
        raise NotSet(f"{DATABASE_SETTING} {error}.") from error


@asynccontextmanager
async def connect(url: str) -> AsyncIterator[Any]:
    """A connection of asyncpg. Raises CannotConnect when there is none to be had."""
    try:
        connection: Any = await asyncpg.connect(url, timeout=_CONNECT_SECONDS, command_timeout=_STATEMENT_SECONDS)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
        raise CannotConnect(why_not_connected(error, url)) from error
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def open_database(table: str, url: str = "") -> AsyncIterator[Database]:
    """Connects to ``url``, by default HEARBACK_DATABASE_URL. Its role must be able to read and change the schemas.

    Raises NotSet, or CannotConnect when there is no connection to be had.
    """
    async with connect(url or database_url()) as connection:
        rows = await connection.fetch(
            "SELECT quote_ident(table_schema) AS name FROM information_schema.tables WHERE table_name = $1 ORDER BY 1",
            table,
        )
        yield Database(connection, [row["name"] for row in rows])


def setting(name: str) -> str:
    """The value that the shell or the running stack has. Raises NotSet."""
    value = installation_environment().get(name)
    if not value:
        raise NotSet(f"{name} is not set: start the stack with `make up`, or set it.")
    return value


def kafka() -> KafkaSettings:
    """How the shell or the running stack reaches Kafka. Raises NotSet, also for settings that cannot be used."""
    return kafka_as(KafkaSettings)


def kafka_as(settings_type: type[K]) -> K:
    """The same with further settings."""
    setting(KAFKA_SETTING)
    try:
        return settings_type.of(installation_environment())
    except ValidationError as error:
        raise NotSet("; ".join(settings_errors(error))) from error


def run(command: Callable[[], Awaitable[T]]) -> T:
    """Runs a command, and ends it with a sentence when the installation cannot be reached."""
    try:
        return asyncio.run(_explained(command))
    except NotSet as error:
        fail(str(error), exit_code=CANNOT)


async def _explained(command: Callable[[], Awaitable[T]]) -> T:
    try:
        return await command()
    except asyncpg.PostgresError as error:
        fail(f"PostgreSQL refuses: {error}. Has this role the rights of the services' owner?", exit_code=CANNOT)
    except KafkaError as error:
        fail(f"{await why_failing(error, kafka())}.", exit_code=CANNOT)
    except (OSError, TimeoutError, SQLAlchemyError) as error:
        fail(f"{what_failed(error)}.", exit_code=CANNOT)
