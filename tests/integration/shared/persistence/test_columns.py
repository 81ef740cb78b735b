"""What is written as an array arrives as it was."""

from datetime import UTC, datetime

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.persistence.columns import array_literal

pytestmark = pytest.mark.asyncio(loop_scope="session")

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00") | st.sampled_from('"\\{},\n '))
ARRAYS = [("text", texts | st.sampled_from(["", "NULL", "null", "{}", '"'])), ("uuid", st.uuids().map(str)),
          ("timestamptz", st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))),
          ("boolean", st.booleans()), ("integer", st.integers(-(2**31), 2**31 - 1))]  # fmt: skip


@given(st.data())
async def test_every_value_arrives(postgresql: str, data: st.DataObject) -> None:
    connection = await asyncpg.connect(postgresql)
    try:
        for kind, values in ARRAYS:
            sent = data.draw(st.lists(st.none() | values))
            shown = "found" if kind != "uuid" else "found::text[]"
            query = f"SELECT {shown} FROM (SELECT CAST(CAST($1 AS text) AS {kind}[])) AS written (found)"
            assert await connection.fetchval(query, array_literal(sent, kind)) == sent
    finally:
        await connection.close()
