"""Why a customer was, or was not, surveyed: the decisions about them, explained."""

from datetime import datetime

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection

from services.dispatcher.domain.decisions import Decision
from services.dispatcher.domain.reasons import Outcome, explain, explain_adjustment
from services.dispatcher.repository import customers, decisions, orders
from shared.contracts import identity
from shared.digests import CustomerDigests
from shared.messaging.repository import dead_letters
from shared.persistence.page import Page

_MOST_ORDERS = 200
_MOST_LETTERS = 20
_STATES = {
    "set_aside": "an event of this customer or order was set aside as a dead letter",
    "put_back": "an event of this customer or order had been set aside as a dead letter, and was put back",
    "skipped": "an event of this customer or order was set aside as a dead letter, and skipped",
}


class DecidedEvent(BaseModel):
    """The order event or request a decision is about."""

    type: str
    source: str
    id: str
    occurred_at: datetime


class AdjustedField(BaseModel):
    """A field of the event that was not read as it was sent: ``converted``, ``cut`` or ``left_out``."""

    field: str
    change: str
    explanation: str


class CampaignEffect(BaseModel):
    """The event's effect on one campaign's timer."""

    campaign: str
    change: str
    reason: str
    due_at: datetime | None
    explanation: str


class SetAsideEvent(BaseModel):
    """An event that could not be read or handled, and so is not decided about; ``reason`` quotes nothing of it."""

    letter_id: str
    event_id: str | None
    set_aside_at: datetime
    state: str
    reason: str
    explanation: str


class DecisionEntry(BaseModel):
    """``explanation`` puts ``outcome`` and ``reason`` into a sentence. Times are in UTC."""

    decision_id: str
    decided_at: datetime
    outcome: str
    reason: str
    explanation: str
    order_id: str | None
    event: DecidedEvent | None
    campaign: str | None
    timer_id: str | None
    send_id: str | None
    until: datetime | None
    because_of: str | None
    effects: list[CampaignEffect]
    adjustments: list[AdjustedField]


async def of_customer(
    connection: AsyncConnection, customer_id: str, *, before: int | None, limit: int
) -> Page[tuple[int, DecisionEntry]]:
    """At most ``limit`` decisions older than position ``before``, newest first, each with its position."""
    page = await decisions.of_customer(connection, customer_id, before=before, limit=limit)
    return page.map(lambda logged: (logged.position, _entry(logged.decision)))


async def set_aside(connection: AsyncConnection, digests: CustomerDigests, customer_id: str) -> list[SetAsideEvent]:
    """The newest events of this customer, or of one of their orders, that were set aside as dead letters."""
    about = [customer_id, *await orders.ids_of_customers(connection, [customer_id], most=_MOST_ORDERS)]
    found = await dead_letters.about(connection, [digests.subject(one) for one in about], most=_MOST_LETTERS)
    return [
        SetAsideEvent(
            letter_id=letter.letter_id,
            event_id=letter.event_id,
            set_aside_at=letter.recorded_at,
            state=letter.state,
            reason=letter.reason,
            explanation=f"{_STATES[letter.state]} ({letter.reason}); see ./hearback letters show {letter.letter_id}",
        )
        for letter in found
    ]


async def is_known(connection: AsyncConnection, customer_id: str) -> bool:
    """Whether anything has been about this customer."""
    return bool(await customers.read(connection, [customer_id]))


def _entry(decision: Decision) -> DecisionEntry:
    event = None
    if decision.event_type and decision.source and decision.event_id and decision.occurred_at:
        event = DecidedEvent(
            type=decision.event_type, source=decision.source, id=decision.event_id, occurred_at=decision.occurred_at
        )
    sent = decision.outcome is Outcome.SENT and decision.timer_id is not None
    return DecisionEntry(
        decision_id=decision.decision_id,
        decided_at=decision.decided_at,
        outcome=decision.outcome,
        reason=decision.reason,
        explanation=explain(decision.outcome, decision.reason, decision.until, decision.because_of),
        order_id=decision.order_id,
        event=event,
        campaign=decision.campaign,
        timer_id=decision.timer_id,
        send_id=identity.send_id(decision.timer_id) if sent and decision.timer_id else None,
        until=decision.until,
        because_of=decision.because_of,
        effects=[
            CampaignEffect(
                campaign=effect.campaign,
                change=effect.change,
                reason=effect.reason,
                due_at=effect.check_at,
                explanation=explain(effect.outcome, effect.reason),
            )
            for effect in decision.effects
        ],
        adjustments=[
            AdjustedField(field=one.field, change=one.change, explanation=explain_adjustment(one))
            for one in decision.adjustments
        ],
    )
