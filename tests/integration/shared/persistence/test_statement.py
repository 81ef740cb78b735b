"""Statements that are executed at the same time on one connection take turns."""

import pytest
from sqlalchemy.exc import DBAPIError

from shared.persistence.statement import Statement, together
from shared.persistence.transaction import rolled_back
from tests.integration.shared.conftest import Bench

_PUT = Statement("INSERT INTO counted SELECT :event_id, count(*) FROM counted")
_ALL = Statement("SELECT * FROM counted ORDER BY 2")
_WRONG = Statement("SELECT 1 / (:number - 1)")


async def test_they_are_executed_in_the_order_given(bench: Bench) -> None:
    async with rolled_back(bench.engine) as connection:
        *put, rows = await together(
            *(_PUT.changes(connection, {"event_id": each}) for each in "abc"), _ALL.rows(connection)
        )
    assert put == [1, 1, 1]
    assert [tuple(row) for row in rows] == [("a", 0), ("b", 1), ("c", 2)]


async def test_the_first_error_is_raised_when_nobody_uses_the_connection(bench: Bench) -> None:
    async with rolled_back(bench.engine) as connection:
        with pytest.raises(DBAPIError, match="DivisionByZero"):
            await together(
                _PUT.changes(connection, {"event_id": "a"}),
                _WRONG.rows(connection, {"number": 1}),
                _PUT.changes(connection, {"event_id": "b"}),
            )
    async with rolled_back(bench.engine) as connection:
        assert await _ALL.rows(connection) == []
