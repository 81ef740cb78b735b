"""Deletes what dead letters have left in PostgreSQL, once nothing can be done with them any more."""

from sqlalchemy.ext.asyncio import AsyncEngine

from shared.messaging.repository import dead_letters
from shared.persistence.transaction import transaction

SECONDS = 600.0
"""Between two rounds, in real time."""
_MOST = 5_000


class DeadLetterRetention:
    """Deletes the process's own dead letters ``days`` after they were set aside, whatever became of them.

    Kafka has forgotten their bytes by then, so that none of them could be put back.
    """

    def __init__(self, engine: AsyncEngine, consumer: str, *, days: float) -> None:
        self._engine = engine
        self._consumer = consumer
        self._days = days

    async def step(self) -> bool:
        """Deletes a batch; True when there may be more."""
        async with transaction(self._engine) as connection:
            return await dead_letters.prune(connection, self._consumer, days=self._days, limit=_MOST) == _MOST
