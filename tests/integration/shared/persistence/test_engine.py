"""PostgreSQL releases a stalled process's locks to other processes, wherever it stalled; its errors name nobody."""

import contextlib
import socket
import struct
import time
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.logs import explain
from shared.persistence.engine import (
    IDLE_IN_TRANSACTION_MILLISECONDS,
    SILENT_SECONDS,
    STATEMENT_MILLISECONDS,
    TRANSACTION_MILLISECONDS,
    is_fault_of_data,
    open_engine,
    took_too_long,
    what_failed,
)
from tests.integration.shared.conftest import Bench
from tests.kit.eventually import eventually

# Tenths of a second instead of the product's seconds, in the same proportions.
SOONER = {
    "idle_in_transaction_session_timeout": str(IDLE_IN_TRANSACTION_MILLISECONDS // 50),
    "statement_timeout": str(STATEMENT_MILLISECONDS // 50),
    "transaction_timeout": str(TRANSACTION_MILLISECONDS // 50),
}
_TAKE = text("SELECT pg_try_advisory_xact_lock(4711)")


def stall_between_statements(_transport: object) -> None:
    """Nothing more is sent."""


def stall_within_a_statement(transport: object) -> None:
    """A statement is announced, but the messages that should follow never arrive (PostgreSQL documentation, 54.2.3)."""
    parse = b"\0SELECT 1\0" + struct.pack("!h", 0)
    transport.write(b"P" + struct.pack("!i", 4 + len(parse)) + parse + b"H" + struct.pack("!i", 4))  # type: ignore[attr-defined]


@contextlib.asynccontextmanager
async def holder(bench: Bench) -> AsyncIterator[AsyncConnection]:
    """A connection whose transaction holds the lock."""
    engine = open_engine(bench.settings.database_url.get_secret_value(), name="stalled", pool_size=1, **SOONER)
    connection = await engine.connect()
    assert (await connection.execute(_TAKE)).scalar_one()
    try:
        yield connection
    finally:
        await connection.invalidate()
        await connection.close()
        await engine.dispose()


@pytest.mark.parametrize("stall", [stall_between_statements, stall_within_a_statement])
async def test_the_locks_of_a_stalled_process_pass_on(bench: Bench, stall: object) -> None:
    async def taken_over() -> bool:
        async with bench.engine.begin() as connection:
            return bool((await connection.execute(_TAKE)).scalar_one())

    async with holder(bench) as connection:
        transport = (await connection.get_raw_connection()).driver_connection._transport  # type: ignore[union-attr]
        transport.pause_reading()  # a stalled process reads nothing either
        assert not await taken_over()
        stall(transport)  # type: ignore[operator]
        await eventually(taken_over, "the lock to pass on", within=10)


async def test_the_text_of_an_error_names_no_parameter(bench: Bench) -> None:
    """Whoever prints it, a library or a test, prints no customer."""
    statement = text("SELECT 1 / length(left(CAST(:email AS text), 0))")
    for parameters in ({"email": "ana@example.com"}, [{"email": "ana@example.com"}, {"email": "bob@example.com"}]):
        with pytest.raises(DBAPIError) as raised:
            async with bench.engine.begin() as connection:
                await connection.execute(statement, parameters)
        assert "division by zero" in str(raised.value)
        assert "@" not in str(raised.value)


async def test_what_is_told_of_an_error_quotes_no_value(bench: Bench) -> None:
    """PostgreSQL does: here, in the message itself."""
    statement, person = text("SELECT CAST(CAST(:email AS text) AS integer)"), {"email": "ana@example.com"}
    with pytest.raises(DBAPIError, match="ana@") as raised:
        async with bench.engine.begin() as connection:
            await connection.execute(statement, person)
    assert what_failed(raised.value) == "InvalidTextRepresentationError 22P02"
    assert "@" not in explain(raised.value) and "22P02" in explain(raised.value)
    assert what_failed(UnicodeError("ana@example.com")) == "UnicodeError"
    assert what_failed(TimeoutError("ana@example.com")) == "no response in time"


async def test_every_session_of_the_product_is_bounded(bench: Bench) -> None:
    async with bench.engine.connect() as connection:
        limits = [(await connection.execute(text(f"SHOW {name}"))).scalar_one() for name in SOONER]
    assert limits == ["15s", "20s", "30s"]


@pytest.mark.parametrize("blocking", [True, False])
async def test_a_session_ended_at_a_time_limit_is_known_as_such(bench: Bench, blocking: bool) -> None:
    """asyncpg tells only of a lost connection: in one way when the process was too busy to notice, else in another."""
    engine = open_engine(bench.settings.database_url.get_secret_value(), name="slow", pool_size=1, **SOONER)
    try:
        with pytest.raises(DBAPIError) as raised:
            async with engine.begin() as connection:
                pid = (await connection.execute(text("SELECT pg_backend_pid()"))).scalar_one()
                if blocking:
                    time.sleep(0.6)  # noqa: ASYNC251  # a process too busy for anything else
                else:
                    await eventually(lambda: gone(bench, pid), "PostgreSQL to end the session")
                await connection.execute(text("SELECT 1"))
    finally:
        await engine.dispose()
    assert not is_fault_of_data(raised.value)
    assert took_too_long(raised.value, 14)
    assert not took_too_long(raised.value, 0.1)


async def gone(bench: Bench, pid: int) -> bool:
    async with bench.engine.connect() as connection:
        found = await connection.execute(text("SELECT 1 FROM pg_stat_activity WHERE pid = :pid"), {"pid": pid})
        return found.first() is None


async def test_a_database_that_vanishes_without_a_word_is_noticed(bench: Bench) -> None:
    async with bench.engine.connect() as connection:
        raw = await connection.get_raw_connection()
        assert raw.driver_connection is not None
        connected = raw.driver_connection._transport.get_extra_info("socket")
        probes = [
            connected.getsockopt(socket.IPPROTO_TCP, option)
            for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
        ]
        in_a_silence = probes[0] + probes[1] * probes[2]
        assert connected.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert in_a_silence == SILENT_SECONDS
        assert connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == SILENT_SECONDS * 1_000
