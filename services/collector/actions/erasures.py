"""Erasing a customer: all personal data is wiped here, and an event makes every other service do the same."""

from dataclasses import dataclass
from datetime import datetime

from services.collector.domain.answers import erased_answer
from services.collector.repository import erasures
from services.collector.settings import CollectorSettings
from shared import tracing
from shared.contracts import answers, preferences
from shared.contracts.preferences import Preference
from shared.runtime import Runtime


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """How many answers and sends held the customer's data, and when they were wiped."""

    answers: int
    sends: int
    erased_at: datetime


async def erase_customer(runtime: Runtime[CollectorSettings], customer_id: str) -> Erasure:
    """Wipes the customer's data and publishes the erasure. A repeated call wipes what arrived since and publishes
    again, because other services may hold orders that never came here."""
    now = runtime.clock.now()
    digest = runtime.digests.digest(customer_id)
    trace = tracing.current()
    async with runtime.transaction() as connection:
        wiped = await erasures.wipe(connection, customer_id, digest, now)
        erased = [erased_answer(answer, now, runtime.settings.zone) for answer in wiped.answers]
        events = [answers.event(body, traceparent=trace) for body in sorted(erased, key=lambda body: body.answer_id)]
        gone = Preference(customer_id=customer_id, revision=wiped.preference_revision, occurred_at=now)
        events.append(preferences.event(preferences.ERASED, gone, traceparent=trace))
        await runtime.outbox.put(connection, events)
    return Erasure(answers=len(wiped.answers), sends=wiped.sends, erased_at=now)
