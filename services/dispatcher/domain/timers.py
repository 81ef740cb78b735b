"""When a timer is due, and what an order event changes: set, moved or cancelled."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from services.dispatcher.domain.campaigns import STOPS, Campaign
from services.dispatcher.domain.customers import Customer
from services.dispatcher.domain.orders import Order
from services.dispatcher.domain.segments import Segmentation, matches, taken
from shared.contracts import identity

Cause = Literal["milestone", "recurrence", "request"]


@dataclass(frozen=True, slots=True)
class Timer:
    """One asking that lies ahead.

    ``milestone_at`` is when it came or comes due by its campaign; ``due_at`` when it is to be looked at next, later
    than that once it was deferred.
    """

    timer_id: str
    campaign: str
    customer_id: str
    order_id: str | None
    cause: Cause
    occurrence: int
    milestone_at: datetime
    due_at: datetime
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """When a campaign should ask, or (``due_at`` None) the ``reason`` why it should not."""

    due_at: datetime | None
    reason: str


@dataclass(frozen=True, slots=True)
class Effect:
    """What became of one campaign's timer; ``change`` "none" says why it has none, or keeps the one it has."""

    campaign: str
    change: Literal["set", "moved", "cancelled", "none"]
    reason: str
    due_at: datetime | None = None


def plan_order(campaign: Campaign, order: Order, customer: Customer, segmentation: Segmentation, now: datetime) -> Plan:
    """When ``campaign`` asks about ``order``: the earliest of its triggers, unless something speaks against it."""
    if not campaign.active:
        return Plan(None, "campaign_inactive")
    if customer.was_erased_by(order.first_event_at):
        return Plan(None, "erased")
    if (stop := order.stopped_by(campaign.stop_on)) is not None:
        return Plan(None, stop.replace("order.", "order_"))
    reached = (
        (at + trigger.delay) for trigger in campaign.trigger if (at := order.milestone(trigger.after)) is not None
    )
    due_at = min(reached, default=None)
    if due_at is None:
        return Plan(None, "milestone_awaited")
    if campaign.audience and not matches(campaign.audience, taken(segmentation, campaign, customer, order, now), order):
        return Plan(None, "not_in_audience")
    if due_at + campaign.valid_for < now:
        return Plan(None, "too_late")
    return Plan(due_at, "milestone_reached")


def plan_recurrence(campaign: Campaign, customer: Customer, fired_at: datetime | None, now: datetime) -> Plan:
    """When a recurring campaign asks ``customer`` next: every so long from the first known order or the last time.

    Moments so long past that the question makes no sense any more are passed over, whole periods at a time.
    """
    assert campaign.every is not None
    if not campaign.active:
        return Plan(None, "campaign_inactive")
    if customer.first_event_at is None:
        # What was asked before the erasure must not bring back who has not ordered since.
        return Plan(None, "erased")
    due_at = (fired_at or customer.first_event_at) + campaign.every
    behind = now - campaign.valid_for - due_at
    if behind > timedelta(0):
        due_at += -(-behind // campaign.every) * campaign.every
    return Plan(due_at, "recurs")


def ordered_within(campaign: Campaign, last_ordered_at: datetime | None, now: datetime) -> bool:
    """Whether the customer's newest order is recent enough for a recurring campaign to ask."""
    return last_ordered_at is not None and last_ordered_at + campaign.active_within >= now


def order_effect(campaign: Campaign, plan: Plan, pending: Timer | None, order: Order, *, already_asked: bool) -> Effect:
    """What to do with the timer of ``campaign`` about ``order`` so that it is as planned."""
    if already_asked:
        return Effect(campaign.id, "none", "already_asked")
    if plan.due_at is None:
        return Effect(campaign.id, "none" if pending is None else "cancelled", plan.reason)
    if pending is None:
        return Effect(campaign.id, "set", plan.reason, plan.due_at)
    if pending.customer_id != order.customer_id:
        return Effect(campaign.id, "moved", "customer_changed", plan.due_at)
    if pending.milestone_at != plan.due_at:
        return Effect(campaign.id, "moved", "milestone_moved", plan.due_at)
    return Effect(campaign.id, "none", "no_change", pending.due_at)


def recurrence_effect(campaign: Campaign, plan: Plan, pending: Timer | None) -> Effect:
    """What to do with a customer's timer of a recurring campaign so that it is as planned."""
    if plan.due_at is None:
        return Effect(campaign.id, "none" if pending is None else "cancelled", plan.reason)
    if pending is None:
        return Effect(campaign.id, "set", plan.reason, plan.due_at)
    if pending.milestone_at != plan.due_at:
        return Effect(campaign.id, "moved", "milestone_moved", plan.due_at)
    return Effect(campaign.id, "none", "no_change", pending.due_at)


def order_timer(campaign: Campaign, order: Order, due_at: datetime, traceparent: str | None) -> Timer:
    return Timer(
        timer_id=identity.timer_id(campaign.id, order.customer_id, order.order_id),
        campaign=campaign.id,
        customer_id=order.customer_id,
        order_id=order.order_id,
        cause="milestone",
        occurrence=0,
        milestone_at=due_at,
        due_at=due_at,
        traceparent=traceparent,
    )


def recurring_timer(campaign: Campaign, customer_id: str, occurrence: int, due_at: datetime) -> Timer:
    return Timer(
        timer_id=identity.timer_id(campaign.id, customer_id, None, occurrence),
        campaign=campaign.id,
        customer_id=customer_id,
        order_id=None,
        cause="recurrence",
        occurrence=occurrence,
        milestone_at=due_at,
        due_at=due_at,
    )


def outcome_of(event_type: str, campaigns: Sequence[Campaign], effects: Sequence[Effect]) -> tuple[str, str]:
    """The (outcome, reason) of an order event, from what it did to each campaign's timer.

    A cancelled timer weighs more than a set one, and that more than a moved one. Where nothing changed, the reason
    is the weightiest of the campaigns which this event's milestone triggers.
    """
    for change in ("cancelled", "set", "moved"):
        for effect in effects:
            if effect.change == change:
                return f"timer_{change}", effect.reason
    if event_type in STOPS:
        return "no_timer", "nothing_to_cancel"
    reasons = {effect.campaign: effect.reason for effect in effects}
    if any(reason in _STOPPED for reason in reasons.values()):
        return "no_timer", "already_stopped"
    triggered = [
        reasons[campaign.id]
        for campaign in campaigns
        if campaign.id in reasons and any(trigger.after == event_type for trigger in campaign.trigger)
    ]
    for reason in _UNCHANGED_BY_WEIGHT:
        if reason in triggered:
            return "no_timer", "shipments_awaited" if reason == "milestone_awaited" else reason
    return "no_timer", "no_campaign_matches"


_STOPPED = frozenset(stop.replace("order.", "order_") for stop in STOPS)
_UNCHANGED_BY_WEIGHT = (
    "erased",
    "no_change",
    "already_asked",
    "too_late",
    "not_in_audience",
    "milestone_awaited",  # the event is of this milestone, so what is awaited are the order's other shipments
)
