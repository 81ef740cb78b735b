"""Hints for PostgreSQL's planner that its statistics cannot provide."""

import contextlib
from collections.abc import AsyncIterator

from sqlalchemy.ext.asyncio import AsyncConnection

from shared.persistence.statement import Statement

_SET = Statement(
    """
    SELECT set_config(name, :state, true)
    FROM unnest(ARRAY['enable_sort', 'enable_hashjoin', 'enable_mergejoin', 'enable_bitmapscan', 'enable_seqscan',
                      'enable_material', 'enable_memoize']) AS setting (name)
    """
)


@contextlib.asynccontextmanager
async def index_walk(connection: AsyncConnection) -> AsyncIterator[None]:
    """Within this block, a statement with ORDER BY and LIMIT always walks the index in that order.

    For claiming the first due rows: a plan that sorts the whole backlog gets slower as it grows, and after a bulk load
    the planner would choose one. Needs a transaction, which must not be continued after an exception.
    """
    await _SET.rows(connection, {"state": "off"})
    yield
    await _SET.rows(connection, {"state": "on"})
