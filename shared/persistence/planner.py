"""Telling PostgreSQL's planner what its statistics cannot know."""

import contextlib
from collections.abc import AsyncIterator

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_SET = text(
    """
    SELECT set_config(name, :state, true)
    FROM unnest(ARRAY['enable_sort', 'enable_hashjoin', 'enable_mergejoin', 'enable_bitmapscan', 'enable_seqscan',
                      'enable_material', 'enable_memoize']) AS setting (name)
    """
)


@contextlib.asynccontextmanager
async def index_walk(connection: AsyncConnection) -> AsyncIterator[None]:
    """In this block a statement with ORDER BY and LIMIT walks the index of that order, and nothing else.

    For claiming the first of what is due: a plan that sorts all of it is as slow as there is much of it, and after a
    bulk load the statistics would choose that. Needs a transaction, which must not go on after an exception.
    """
    await connection.execute(_SET, {"state": "off"})
    yield
    await connection.execute(_SET, {"state": "on"})
