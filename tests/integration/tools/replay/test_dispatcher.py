"""Queries of the dispatcher's tables are retried when the server is killed."""

from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest

from tools.replay.dispatcher import Dispatcher

NOW = datetime(2018, 1, 1, tzinfo=UTC)


class Connection:
    def __init__(self, trouble: Exception | None) -> None:
        self.trouble = trouble
        self.terminated = False

    async def fetchval(self, _query: str, *_arguments: object) -> int:
        if self.trouble is not None:
            raise self.trouble
        return 0

    def terminate(self) -> None:
        self.terminated = True


@pytest.mark.parametrize(
    "trouble",
    [
        asyncpg.InternalClientError("cannot switch to state 12; another operation (2) is in progress"),
        asyncpg.InterfaceError("connection is closed"),
        asyncpg.CannotConnectNowError("the database system is starting up"),
        ConnectionResetError(),
        TimeoutError(),
    ],
    ids=lambda trouble: type(trouble).__name__,
)
async def test_a_lost_connection_is_reopened(trouble: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    killed, fresh = Connection(trouble), Connection(None)
    coming = iter([killed, fresh])

    async def connect(*_arguments: Any, **_options: Any) -> Connection:
        return next(coming)

    monkeypatch.setattr(asyncpg, "connect", connect)
    dispatcher = Dispatcher("postgresql://nowhere", bootstrap_servers="nowhere:9", topic_prefix="")
    await dispatcher.wait_until_decided(NOW)
    assert killed.terminated
    assert next(coming, None) is None


async def test_a_programming_error_is_not_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    async def connect(*_arguments: Any, **_options: Any) -> Connection:
        return Connection(ZeroDivisionError())

    monkeypatch.setattr(asyncpg, "connect", connect)
    with pytest.raises(ZeroDivisionError):
        await Dispatcher("postgresql://nowhere", bootstrap_servers="nowhere:9", topic_prefix="").wait_until_decided(NOW)
