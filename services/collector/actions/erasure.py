"""Erasing a customer: everything personal is wiped here, and every other service is told to do the same."""

from dataclasses import dataclass
from datetime import datetime

from services.collector.repository import erasures
from services.collector.settings import CollectorSettings
from shared import tracing
from shared.contracts import answers, preferences
from shared.contracts.answers import AnswerErased
from shared.contracts.preferences import Preference
from shared.runtime import Runtime


@dataclass(frozen=True, slots=True)
class Erasure:
    """How many answers and sends held data of the customer, and when they were wiped."""

    answers: int
    sends: int
    erased_at: datetime


async def erase_customer(runtime: Runtime[CollectorSettings], customer_id: str) -> Erasure:
    """Wipes the customer's data and publishes that it is gone. Doing it again wipes what arrived since, and tells the
    other services again: they may hold orders that never came here."""
    now = runtime.clock.now()
    digest = runtime.digests.digest(customer_id)
    trace = tracing.current()
    async with runtime.transaction() as connection:
        wiped = await erasures.wipe(connection, customer_id, digest, now)
        erased = [
            AnswerErased(answer_id=answer_id, revision=revision, erased_at=now)
            for answer_id, revision in sorted(wiped.answers.items())
        ]
        events = [answers.event(body, traceparent=trace) for body in erased]
        gone = Preference(customer_id=customer_id, revision=wiped.preference_revision, occurred_at=now)
        events.append(preferences.event(preferences.ERASED, gone, traceparent=trace))
        await runtime.outbox.put(connection, events)
    return Erasure(len(wiped.answers), wiped.sends, now)
