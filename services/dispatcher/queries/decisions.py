"""Why a customer was, or was not, surveyed: the decisions about them, explained."""

from datetime import datetime

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection

from services.dispatcher.domain.decisions import Decision
from services.dispatcher.domain.reasons import Outcome, explain, explain_adjustment
from services.dispatcher.repository import customers, decisions
from shared.contracts import identity
from shared.persistence.page import Page


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
