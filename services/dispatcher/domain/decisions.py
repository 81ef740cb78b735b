"""What was decided about an order event or a timer, and the sentence that tells a person why."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from services.dispatcher.domain.policy.policy import Verdict
from services.dispatcher.domain.timers import Effect
from shared.contracts import identity

Outcome = Literal["timer_set", "timer_moved", "timer_cancelled", "no_timer", "sent", "skipped", "deferred"]


@dataclass(frozen=True, slots=True)
class Decision:
    """One row of the log.

    About an event (``source`` and ``event_id`` tell which) it lists the ``effects`` on each campaign's timer. About a
    timer that came due, it names the timer, its one campaign, and ``until`` when it waits.
    """

    decision_id: str
    customer_id: str
    decided_at: datetime
    outcome: str
    reason: str
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


def event_decision_id(source: str, event_id: str) -> str:
    """The same event always gets the same decision, so that its duplicate gets none."""
    return identity.event_id("decision", source, event_id)


def of_verdict(verdict: Verdict, now: datetime) -> Decision:
    timer = verdict.timer
    return Decision(
        # A timer may be deferred several times; each time it was due at another moment.
        decision_id=identity.event_id("decision.timer", timer.timer_id, verdict.outcome, timer.due_at.isoformat()),
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


def explain(outcome: str, reason: str, until: str | None = None, because_of: str | None = None) -> str:
    """One English sentence for an outcome and its reason. ``until`` is a moment as it is to be shown."""
    if outcome == "skipped" and reason == "expired" and until and because_of:
        return (
            f"Not sent: {because_of} holds the customer's attention until {until}, "
            "and by then the question would come too late."
        )
    sentence = _SENTENCES.get((outcome, reason)) or f"{_OUTCOMES.get(outcome, outcome)} {_REASONS.get(reason, reason)}."
    return sentence.format(until=until or "later", because_of=because_of or "another campaign")


_SENTENCES = {
    ("deferred", "quiet_period"): "Not yet sent: {because_of} asked this customer recently; looked at again {until}.",
    ("deferred", "stands_aside"): "Not yet sent: {because_of} is more important and comes due soon, at {until}.",
    ("sent", "due"): "Sent: it came due, and nothing spoke against it.",
    ("no_timer", "nothing_to_cancel"): "The order ended, and no survey about it was waiting.",
    ("no_timer", "shipments_awaited"): "No survey yet: other shipments of this order are still on their way.",
    ("no_timer", "no_change"): "Nothing changed: the survey about this order is waiting already.",
}
_OUTCOMES = {
    "timer_set": "A survey is waiting for its time:",
    "timer_moved": "The waiting survey was moved:",
    "timer_cancelled": "The waiting survey was called off:",
    "no_timer": "No survey:",
    "skipped": "Not sent:",
    "sent": "Sent:",
    "deferred": "Not yet sent:",
}
_REASONS = {
    "already_asked": "this order was asked about already",
    "already_requested": "this very request was met already",
    "already_stopped": "the order had been cancelled, refunded or returned before",
    "bounced": "mail to this address bounced",
    "campaign_inactive": "the campaign is switched off",
    "complained": "the customer complained about mail from us",
    "customer_changed": "the order now belongs to another customer",
    "erased": "the customer had their data erased",
    "expired": "it is too late for the question to make sense",
    "milestone_awaited": "the moment it asks about has not come",
    "milestone_moved": "the moment it asks about is another than known before",
    "milestone_reached": "the moment it asks about was reached or is known",
    "no_address": "there is no e-mail address to send it to",
    "no_campaign_matches": "no campaign asks about this",
    "no_recent_order": "the customer has not ordered lately",
    "not_in_audience": "the campaign asks other customers",
    "order_cancelled": "the order was cancelled",
    "order_refunded": "the order was refunded",
    "order_returned": "the order was returned",
    "recurs": "the customer is asked from time to time",
    "requested": "somebody asked for it",
    "too_late": "it came to be known too late for the question to make sense",
    "unknown_campaign": "there is no campaign of that name",
    "unsubscribed": "the customer unsubscribed",
}
