"""A decision about an order event, a request or a due timer: one row of the log."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from services.dispatcher.domain.campaigns import CampaignSet
from services.dispatcher.domain.policy.verdict import Verdict
from services.dispatcher.domain.reasons import Outcome, Reason
from services.dispatcher.domain.timers import Effect, Timer
from shared.contracts import identity, requests
from shared.contracts.adjustments import Adjustments
from shared.contracts.requests import SurveyRequested


# Not frozen, although never changed: creating a frozen instance takes three times as long.
@dataclass(slots=True, kw_only=True)
class Decision:
    """One row of the log. Times are in UTC.

    For an event (identified by ``source`` and ``event_id``) it lists the ``effects`` on each campaign's timer, and the
    ``adjustments``: what of the event was not read as it was sent. For a timer that came due, it has the timer, its
    campaign, and ``until`` when it is deferred.
    """

    decision_id: str
    customer_id: str
    decided_at: datetime
    outcome: Outcome
    reason: Reason
    order_id: str | None = None
    event_type: str | None = None
    source: str | None = None
    event_id: str | None = None
    occurred_at: datetime | None = None
    timer_id: str | None = None
    campaign: str | None = None
    until: datetime | None = None
    because_of: str | None = None
    effects: Sequence[Effect] = ()
    left_out: Sequence[tuple[Reason, CampaignSet]] = ()
    """Campaigns that got no timer about an order, by the reason: as effects, they would be most of the log."""
    content: str | None = None
    """The digest of what an order event or a request said (``event_contents.content_digest``)."""
    adjustments: Adjustments = ()


def event_decision_id(*, source: str, event_id: str) -> str:
    """The same event always gets the same decision id, so that a duplicate gets none."""
    return identity.event_id("decision", source, event_id)


def of_verdict(verdict: Verdict, now: datetime) -> Decision:
    timer = verdict.timer
    return Decision(
        # A timer may be deferred several times, and is checked at another time each time.
        decision_id=identity.event_id("decision.timer", timer.timer_id, verdict.outcome, timer.check_at.isoformat()),
        customer_id=timer.customer_id,
        decided_at=now,
        outcome=verdict.outcome,
        reason=verdict.reason,
        order_id=timer.order_id,
        timer_id=timer.timer_id,
        campaign=timer.campaign,
        until=verdict.until,
        because_of=verdict.because_of,
    )


def of_request(
    request: SurveyRequested, *, source: str, event_id: str, content: str, effect: Effect, now: datetime
) -> Decision:
    return Decision(
        decision_id=event_decision_id(source=source, event_id=event_id),
        customer_id=request.customer_id,
        decided_at=now,
        outcome=effect.outcome,
        reason=effect.reason,
        order_id=request.order_id,
        event_type=requests.REQUESTED,
        source=source,
        event_id=event_id,
        occurred_at=request.requested_at,
        campaign=request.campaign,
        effects=[effect],
        content=content,
    )


def of_cancellation(timer: Timer, reason: Reason, now: datetime) -> Decision:
    """The decision on a timer cancelled because of its customer: ``erased``, or ``shared_id``."""
    return Decision(
        decision_id=identity.event_id(f"decision.{reason}", timer.timer_id, now.isoformat()),
        customer_id=timer.customer_id,
        decided_at=now,
        outcome=Outcome.TIMER_CANCELLED,
        reason=reason,
        order_id=timer.order_id,
        timer_id=timer.timer_id,
        campaign=timer.campaign,
    )
