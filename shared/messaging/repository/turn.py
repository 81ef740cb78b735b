"""The turn to publish a schema's outbox, and how a relay that has no turn wakes the one that has it."""

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_NAME = "'hearback.relay.' || current_schema()"
# MATERIALIZED, so that the lock is tried once.
_TRY = text(
    f"""
    WITH turn AS MATERIALIZED (SELECT pg_try_advisory_lock(hashtextextended({_NAME}, 0)) AS taken)
    SELECT taken,
           CASE WHEN NOT taken AND :wake THEN CAST(pg_notify({_NAME}, '') AS text) END,
           (SELECT count(*) FROM (SELECT FROM outbox_set_aside LIMIT 100000) AS them) AS set_aside,
           CASE WHEN :look THEN
               (SELECT EXTRACT(epoch FROM clock_timestamp() - created_at) FROM outbox ORDER BY id LIMIT 1)
           END AS age
    FROM turn
    """  # noqa: S608  # composed of constants
)
_SCHEMA = text("SELECT current_schema()")


@dataclass(frozen=True, slots=True)
class Attempt:
    """``age_seconds`` is the age of the oldest record of the outbox, 0 if it is empty or was not looked at.

    ``set_aside`` is how many records are set aside, at most 100,000.
    """

    taken: bool
    age_seconds: float
    set_aside: int


async def attempt(connection: AsyncConnection, *, wake: bool, look: bool) -> Attempt:
    """Takes the turn until the session ends, unless another session has it; that one is notified if ``wake``.

    The age of the oldest record is read only if ``look``.
    """
    row = (await connection.execute(_TRY, {"wake": wake, "look": look})).one()
    return Attempt(row.taken, float(row.age or 0), row.set_aside)


async def schema(connection: AsyncConnection) -> str:
    return str((await connection.execute(_SCHEMA)).scalar_one())


def channel(schema: str) -> str:
    """Where the relay that has the turn is notified of records that another process has committed."""
    return f"hearback.relay.{schema}"
