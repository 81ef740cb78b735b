"""Forgetting a customer: everything personal is wiped here, and every other service is told to do the same."""

from dataclasses import dataclass
from datetime import datetime

from services.collector.actions.preferences import preference_event
from services.collector.repository import erasures
from services.collector.settings import CollectorSettings
from shared import tracing
from shared.contracts import identity, topics
from shared.contracts.answers import ERASED, AnswerErased
from shared.contracts.events import Event
from shared.contracts.preferences import ERASED as PREFERENCE_ERASED
from shared.contracts.preferences import Preference
from shared.runtime import Runtime


@dataclass(frozen=True, slots=True)
class Erasure:
    """How many answers and sends held something of the customer, and when they were wiped."""

    answers: int
    sends: int
    erased_at: datetime


async def erase_customer(runtime: Runtime[CollectorSettings], customer_id: str) -> Erasure:
    """Wipes the customer's data and publishes that it is gone. Doing it again wipes what came since, and tells the
    others again: they may hold orders we never saw."""
    now = runtime.clock.now()
    digest = erasures.digest(runtime.settings.secret.get_secret_value(), customer_id)
    async with runtime.transaction() as connection:
        wiped = await erasures.wipe(connection, customer_id, digest, now)
        events = [_answer_erased(answer_id, wiped.answers[answer_id], now) for answer_id in sorted(wiped.answers)]
        gone = Preference(customer_id=customer_id, revision=wiped.preference_revision, occurred_at=now)
        await runtime.outbox.put(connection, [*events, preference_event(PREFERENCE_ERASED, gone)])
    return Erasure(len(wiped.answers), wiped.sends, now)


def _answer_erased(answer_id: str, revision: int, now: datetime) -> Event:
    return Event(
        topic=topics.ANSWERS.name,
        key=answer_id,
        event_id=identity.event_id(ERASED, answer_id, revision),
        type=ERASED,
        time=now,
        body=AnswerErased(answer_id=answer_id, revision=revision, erased_at=now),
        traceparent=tracing.current(),
    )
