"""A scorer without processes: its parts called directly, on a fresh database; and its input."""

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import text

from deploy.local.programs import PROJECT
from services.scorer.actions.day_counts import fold_changes, walk
from services.scorer.actions.scores import publish_everybody, publish_oldest
from services.scorer.domain.stream import ScoreUpdate
from services.scorer.queries.scores import last_change
from services.scorer.settings import ScorerSettings
from shared.clock import SteppedClock
from shared.contracts.answers import ERASED, Answer, AnswerErased, StillCounted, event
from shared.contracts.scores import ScoreUpdated
from shared.contracts.types import Contract
from shared.messaging.handler import Handler
from shared.persistence.transaction import driver_of
from shared.runtime import Runtime
from shared.web.stream import Listener, Stream
from tests.kit.messages import message

START = datetime(2026, 3, 1, 12, tzinfo=UTC)

ALL_COUNTS = """
    SELECT segment_id, campaign_id, day, sum(promoters) AS promoters, sum(passives) AS passives,
           sum(detractors) AS detractors, sum(delivered) AS delivered, sum(answered) AS answered
    FROM (SELECT segment_id, campaign_id, day, promoters, passives, detractors, delivered, answered FROM day_counts
          UNION ALL
          SELECT segment_id, campaign_id, day, promoters, passives, detractors, delivered, answered FROM day_changes)
    GROUP BY segment_id, campaign_id, day
"""
"""The day counts with what is not folded into them yet."""

Wanted = Callable[[ScoreUpdate], bool]


@dataclass
class Scorer:
    """``clock`` stands at START until it is stepped; ``handler`` is that of all topics."""

    runtime: Runtime[ScorerSettings]
    clock: SteppedClock
    handler: Handler
    stream: Stream[ScoreUpdate]

    async def take(self, topic: str, *bodies: tuple[str, Contract]) -> None:
        """One batch of one topic, as the consumer loop would pass it on."""
        async with self.runtime.transaction() as connection:
            await self.handler(connection, [message(topic, kind, body, at=START) for kind, body in bodies])

    async def publish(self) -> None:
        """Publishes everything that changed."""
        # A fold that is in progress already takes only what there was when it began.
        for _ in range(2):
            while await fold_changes(self.runtime):
                pass
        while await walk(self.runtime):
            pass
        await publish_everybody(self.runtime)
        while await publish_oldest(self.runtime):
            pass

    async def listener(self, wanted: Wanted, after: int | None = None) -> Listener[ScoreUpdate]:
        if after is None:
            async with self.runtime.read_only() as connection:
                after = await last_change(connection)
        listener = self.stream.enter(wanted, after=after)
        assert listener is not None
        return listener

    async def change(self, statement: str, **values: Any) -> None:
        async with self.runtime.transaction() as connection:
            await connection.execute(text(statement), values)

    async def query(self, statement: str, **values: Any) -> Sequence[Any]:
        async with self.runtime.engine.connect() as connection:
            return (await connection.execute(text(statement), values)).all()


Key = tuple[str, str, str]
"""Campaign, window and segment."""


async def take_published(scorer: Scorer) -> dict[Key, ScoreUpdated]:
    """The last publication's events, removed from the outbox."""
    rows = await scorer.query("SELECT value FROM outbox ORDER BY id")
    async with scorer.runtime.transaction() as connection:
        await connection.exec_driver_sql("DELETE FROM outbox")
    bodies = [ScoreUpdated.model_validate_json(row.value) for row in rows]
    return {(body.campaign, body.window, body.segment): body for body in bodies}


async def make_anew(scorer: Scorer) -> None:
    """Has all sums made anew, as the documentation tells operators to."""
    documented = re.search(r"```sql\n(BEGIN;.*?COMMIT;)\n```", (PROJECT / "docs/scorer.md").read_text(), re.DOTALL)
    assert documented is not None
    async with scorer.runtime.autocommit() as connection:
        await driver_of(connection).execute(documented[1])


StartScorer = Callable[..., Awaitable[Scorer]]

Event = tuple[str, Contract]


def answer(answer_id: str, score: int, *, revision: int = 1, at: datetime = START, **more: object) -> Event:
    body = Answer.model_validate(
        {
            "answer_id": answer_id,
            "revision": revision,
            "score": score,
            "answered_at": at,
            "received_at": at,
            **more,
        }
    )
    return event(body).type, body


def erased(answer_id: str, revision: int, counted: StillCounted | None = None) -> Event:
    return ERASED, AnswerErased(answer_id=answer_id, revision=revision, erased_at=START, counted=counted)
