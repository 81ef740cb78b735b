"""Connections to PostgreSQL through SQLAlchemy and asyncpg."""

import asyncio
import socket
from typing import Any

import asyncpg
import orjson
from aiokafka.errors import KafkaError
from asyncpg.exceptions import PostgresError
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from shared.persistence.connecting import CannotConnect, why_not_connected
from shared.persistence.pool import SharedPool
from shared.persistence.urls import driver_url

# A hanging transaction means a stalled process: PostgreSQL ends it, so that its locks are released to other replicas.
# The idle timeout is not enough: a process that stalls between the protocol messages of one statement leaves its
# session waiting in the middle of it, where neither that timeout nor the statement timeout is checked (PostgreSQL's
# ProcessInterrupts ignores a cancellation while a command is being read). Only the transaction timeout ends it.
IDLE_IN_TRANSACTION_MILLISECONDS = 15_000
STATEMENT_MILLISECONDS = 20_000
TRANSACTION_MILLISECONDS = 30_000
# Nor does a database that vanishes without a word (its host died, or a firewall forgot the connection) keep us waiting
# for a reply that will never come: the kernel ends the connection after so long.
SILENT_SECONDS = 20
_PROBE_SECONDS = 3
_CONNECT_SECONDS = 10


def open_engine(url: str, *, name: str, pool_size: int = 8, **server_settings: str) -> AsyncEngine:
    """An engine whose sessions are named, have timeouts, and use UTC. ``url`` is a ``postgresql://`` URL, as
    ``urls.driver_url`` reads it. Its connections raise ``CannotConnect`` when they cannot be made."""
    readable = driver_url(url)
    settings = {
        "application_name": f"hearback-{name}",
        "timezone": "UTC",
        "idle_in_transaction_session_timeout": str(IDLE_IN_TRANSACTION_MILLISECONDS),
        "statement_timeout": str(STATEMENT_MILLISECONDS),
        "transaction_timeout": str(TRANSACTION_MILLISECONDS),
        **server_settings,
    }

    async def connect() -> Any:
        # asyncpg reads the URL itself: SQLAlchemy would pass sslmode on as a parameter asyncpg does not have.
        try:
            return await asyncpg.connect(
                readable, timeout=_CONNECT_SECONDS, server_settings=settings, connection_class=_WatchedConnection
            )
        except (PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError) as error:
            raise CannotConnect(why_not_connected(error, readable)) from error

    return create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connect,
        poolclass=SharedPool,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=10,
        json_serializer=_dumps,
        json_deserializer=orjson.loads,
        # An error's text would hold the names and addresses of a statement's parameters, and end up in a log.
        hide_parameters=True,
    )


class _WatchedConnection(asyncpg.Connection):  # type: ignore[misc]  # a library without types
    """Ends when the server has acknowledged nothing for ``SILENT_SECONDS``: neither what was sent nor, in a silence,
    the kernel's probes. Whoever uses it then gets the error of a lost connection.

    ``turn`` is held while a ``Statement`` is executed.
    """

    def __init__(self, protocol: Any, transport: asyncio.Transport, *rest: Any) -> None:
        super().__init__(protocol, transport, *rest)
        self.turn = asyncio.Lock()
        connected = transport.get_extra_info("socket")
        if connected is None or connected.family not in (socket.AF_INET, socket.AF_INET6):
            return
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in _PROBES.items():
            if (number := getattr(socket, option, None)) is not None:  # not every system has them
                connected.setsockopt(socket.IPPROTO_TCP, number, value)


_PROBES = {
    "TCP_KEEPIDLE": SILENT_SECONDS // 2,
    "TCP_KEEPINTVL": SILENT_SECONDS // 4,
    "TCP_KEEPCNT": 2,
    "TCP_USER_TIMEOUT": SILENT_SECONDS * 1_000,
}


async def probe(engine: AsyncEngine) -> str | None:
    """A sentence when the database does not respond within three seconds, else None."""
    try:
        async with asyncio.timeout(_PROBE_SECONDS), engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        return f"is not responding: {what_failed(error)}"
    return None


def what_failed(error: BaseException) -> str:
    """An error of a backend for logs and readiness: what we know to say about it, or its kind.

    Never the text of a database's or a library's error: it may quote personal data.
    """
    if isinstance(error, CannotConnect):
        return str(error)
    if isinstance(error, DBAPIError):
        cause = error.orig.__cause__ if error.orig is not None else None
        code = _sqlstate(error)
        return type(cause or error.orig or error).__name__ + (f" {code}" if code != "None" else "")
    return "no response in time" if isinstance(error, TimeoutError) else type(error).__name__


def _dumps(value: Any) -> str:
    return orjson.dumps(value).decode()


# SQLSTATE classes caused by the data: cardinality violation (two rows of one batch for one row of a table), data
# exception, integrity violation, program limit exceeded (PostgreSQL documentation, appendix A). Every other class
# concerns the server's state or our own SQL, never a message.
_DATA_CLASSES = ("21", "22", "23", "54")
# Syntax errors, unknown names, missing privileges: an error of ours.
_STATEMENT_CLASS = "42"
# query_canceled, and what ends a session: idle in transaction, transaction timeout.
_TIMEOUTS = ("57014", "25P03", "25P04")
# asyncpg reports a session ended by a timeout as a lost connection. After so long, the timeout is the likely cause.
_LONG_SECONDS = 0.6 * IDLE_IN_TRANSACTION_MILLISECONDS / 1_000


def is_fault_of_data(error: BaseException) -> bool:
    """Whether a retry cannot help, because the content of a message is the cause.

    False for a database or broker that is down, restarting, full or slow, and for deadlocks and serialization
    failures: the same batch is then retried until it succeeds, and nothing is lost.
    """
    if isinstance(error, DBAPIError):
        return _sqlstate(error)[:2] in _DATA_CLASSES
    return not isinstance(error, SQLAlchemyError | PostgresError | KafkaError | OSError | TimeoutError | MemoryError)


def is_fault_of_statement(error: BaseException) -> bool:
    """Whether PostgreSQL rejected our SQL itself, or our right to execute it; no message can be the cause."""
    return isinstance(error, DBAPIError) and _sqlstate(error)[:2] == _STATEMENT_CLASS


def took_too_long(error: BaseException, seconds: float) -> bool:
    """Whether a transaction that failed after so many seconds did so at one of its time limits: a smaller one may not.

    See ``STATEMENT_MILLISECONDS`` and the others above.
    """
    if not isinstance(error, DBAPIError):
        return False
    return _sqlstate(error) in _TIMEOUTS or (error.connection_invalidated and seconds >= _LONG_SECONDS)


def _sqlstate(error: DBAPIError) -> str:
    return str(getattr(error.orig, "sqlstate", None))
