"""How PostgreSQL executes a statement."""

from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncConnection

from shared.persistence.statement import Statement
from shared.persistence.transaction import driver_of


async def plan_of(connection: AsyncConnection, statement: Statement, values: Mapping[str, object]) -> str:
    """Its plan with these parameters, a node a line."""
    arguments = [values[name] for name in statement.names]
    rows = await driver_of(connection).fetch(f"EXPLAIN {statement.sql}", *arguments)
    return "\n".join(row[0] for row in rows)
