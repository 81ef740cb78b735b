"""An index walk uses only the index, and the planner's settings are restored afterwards."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.persistence.planner import index_walk
from shared.persistence.transaction import transaction
from tests.integration.shared.conftest import Bench

_PLAN = text("EXPLAIN SELECT event_id FROM counted ORDER BY event_id LIMIT 10")


async def plan(connection: AsyncConnection) -> str:
    return "\n".join((await connection.execute(_PLAN)).scalars())


async def test_the_first_of_what_is_due_is_found_without_sorting_all_of_it(bench: Bench) -> None:
    async with transaction(bench.engine) as connection:
        # Without statistics PostgreSQL would sort so small a table.
        await connection.execute(text("INSERT INTO counted SELECT 'event-' || n, 1 FROM generate_series(1, 20) n"))
        await connection.execute(text("ANALYZE counted"))
        before = await plan(connection)
        async with index_walk(connection):
            assert "Index" in (inside := await plan(connection))
            assert "Sort" not in inside
        assert await plan(connection) == before
        assert "Sort" in before
