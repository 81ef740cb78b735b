"""What a replay asks of the dispatcher's tables, it asks again when the server was killed over it."""

from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest

from tools.replay.ledger import Dispatcher

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
async def test_a_lost_connection_is_made_anew(trouble: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    killed, fresh = Connection(trouble), Connection(None)
    coming = iter([killed, fresh])

    async def connect(*_arguments: Any, **_options: Any) -> Connection:
        return next(coming)

    monkeypatch.setattr(asyncpg, "connect", connect)
    dispatcher = Dispatcher("postgresql://nowhere", "nowhere:9", "")
    await dispatcher.decided_everything(NOW)
    assert killed.terminated
    assert next(coming, None) is None


async def test_a_mistake_of_ours_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def connect(*_arguments: Any, **_options: Any) -> Connection:
        return Connection(ZeroDivisionError())

    monkeypatch.setattr(asyncpg, "connect", connect)
    with pytest.raises(ZeroDivisionError):
        await Dispatcher("postgresql://nowhere", "nowhere:9", "").decided_everything(NOW)
