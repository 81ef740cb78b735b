"""When a timer is due, and how an order event changes it: set, moved or cancelled."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from services.dispatcher.domain.campaigns import Campaign
from services.dispatcher.domain.customers import Customer
from services.dispatcher.domain.orders import Order
from services.dispatcher.domain.reasons import Outcome, Reason
from shared.contracts import identity
from shared.contracts.requests import SurveyRequested

Cause = Literal["milestone", "recurrence", "request"]
Change = Literal["set", "moved", "cancelled", "none"]

_OUTCOME_OF_CHANGE: dict[Change, Outcome] = {
    "set": Outcome.TIMER_SET,
    "moved": Outcome.TIMER_MOVED,
    "cancelled": Outcome.TIMER_CANCELLED,
    "none": Outcome.NO_TIMER,
}


# Not frozen, although never changed: creating a frozen instance takes three times as long.
@dataclass(slots=True, kw_only=True)
class Timer:
    """One survey planned for later.

    ``due_at`` is when the survey is due by its campaign; ``check_at`` when the timer is checked next, which is later
    once the survey was deferred.
    """

    timer_id: str
    campaign: str
    customer_id: str
    order_id: str | None
    cause: Cause
    occurrence: int
    due_at: datetime
    check_at: datetime
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class Recurrence:
    """The last time a recurring campaign came due for a customer."""

    occurrence: int
    fired_at: datetime


# Not frozen, although never changed: creating a frozen instance takes three times as long.
@dataclass(slots=True)
class Plan:
    """When a campaign should ask, or (``due_at`` None) the ``reason`` why it should not."""

    due_at: datetime | None
    reason: Reason


# Not frozen, although never changed: creating a frozen instance takes three times as long.
@dataclass(slots=True)
class Effect:
    """The effect on one campaign's timer; for ``change`` "none", the reason why there is no timer or it is unchanged.

    ``check_at`` is when that timer is checked next.
    """

    campaign: str
    change: Change
    reason: Reason
    check_at: datetime | None = None

    @property
    def outcome(self) -> Outcome:
        return _OUTCOME_OF_CHANGE[self.change]


def plan_recurrence(campaign: Campaign, customer: Customer, last: Recurrence | None, now: datetime) -> Plan:
    """When a recurring campaign asks ``customer`` next: one period after the first known order or the last time.

    Dates so long past that the survey has expired are skipped, whole periods at a time.
    """
    assert campaign.every is not None
    if not campaign.active:
        return Plan(None, Reason.CAMPAIGN_INACTIVE)
    if customer.first_event_at is None:
        # Surveys from before the erasure must not bring back a customer who has not ordered since.
        return Plan(None, Reason.ERASED)
    due_at = (customer.first_event_at if last is None else last.fired_at) + campaign.every
    behind = now - campaign.valid_for - due_at
    if behind > timedelta(0):
        due_at += -(-behind // campaign.every) * campaign.every
    return Plan(due_at, Reason.RECURS)


def ordered_within(campaign: Campaign, *, last_ordered_at: datetime | None, now: datetime) -> bool:
    """Whether the customer's newest order is recent enough for a recurring campaign to ask."""
    return last_ordered_at is not None and last_ordered_at + campaign.active_within >= now


def planned_effect(campaign: Campaign, plan: Plan, pending: Timer | None) -> Effect:
    """How to bring the ``pending`` timer of ``campaign`` in line with the plan."""
    if plan.due_at is None:
        return Effect(campaign.id, "none" if pending is None else "cancelled", plan.reason)
    if pending is None:
        return Effect(campaign.id, "set", plan.reason, plan.due_at)
    if pending.due_at != plan.due_at:
        return Effect(campaign.id, "moved", Reason.MILESTONE_MOVED, plan.due_at)
    return Effect(campaign.id, "none", Reason.NO_CHANGE, pending.check_at)


def order_effect(campaign: Campaign, plan: Plan, pending: Timer | None, order: Order) -> Effect:
    """The same for a timer about ``order``, which may now belong to another customer."""
    if plan.due_at is not None and pending is not None and pending.customer_id != order.customer_id:
        return Effect(campaign.id, "moved", Reason.CUSTOMER_CHANGED, plan.due_at)
    return planned_effect(campaign, plan, pending)


def request_effect(request: SurveyRequested, campaign: Campaign | None, *, already_sent: bool) -> Effect:
    """What to do about a requested survey; ``campaign`` is None when unknown."""
    if campaign is None:
        return Effect(request.campaign, "none", Reason.UNKNOWN_CAMPAIGN)
    if not campaign.active:
        return Effect(request.campaign, "none", Reason.CAMPAIGN_INACTIVE)
    if already_sent:
        return Effect(request.campaign, "none", Reason.ALREADY_REQUESTED)
    return Effect(request.campaign, "set", Reason.REQUESTED, request.not_before)


def order_timer(campaign: Campaign, order: Order, due_at: datetime, traceparent: str | None) -> Timer:
    return Timer(
        timer_id=identity.timer_id(campaign=campaign.id, customer_id=order.customer_id, order_id=order.order_id),
        campaign=campaign.id,
        customer_id=order.customer_id,
        order_id=order.order_id,
        cause="milestone",
        occurrence=0,
        due_at=due_at,
        check_at=due_at,
        traceparent=traceparent,
    )


def recurring_timer(campaign: Campaign, customer_id: str, last: Recurrence | None, due_at: datetime) -> Timer:
    """The timer of the occurrence after ``last``."""
    occurrence = 1 if last is None else last.occurrence + 1
    return Timer(
        timer_id=identity.timer_id(campaign=campaign.id, customer_id=customer_id, order_id=None, occurrence=occurrence),
        campaign=campaign.id,
        customer_id=customer_id,
        order_id=None,
        cause="recurrence",
        occurrence=occurrence,
        due_at=due_at,
        check_at=due_at,
    )


def requested_timer_id(request: SurveyRequested) -> str:
    """One request, one survey, whichever event carries it. A request's id is its asker's own."""
    return identity.event_id("timer.requested", request.requested_by, request.request_id)


def requested_timer(request: SurveyRequested, traceparent: str | None) -> Timer:
    return Timer(
        timer_id=requested_timer_id(request),
        campaign=request.campaign,
        customer_id=request.customer_id,
        order_id=request.order_id,
        cause="request",
        occurrence=0,
        due_at=request.not_before,
        check_at=request.not_before,
        traceparent=traceparent,
    )


def next_timer(
    campaign: Campaign, customer: Customer, fired: Recurrence, *, last_ordered_at: datetime | None, now: datetime
) -> Timer | None:
    """The next timer of a recurring campaign after the one that ``fired``, as long as the customer still orders."""
    if not ordered_within(campaign, last_ordered_at=last_ordered_at, now=now):
        return None
    due_at = plan_recurrence(campaign, customer, fired, now).due_at
    return None if due_at is None else recurring_timer(campaign, customer.customer_id, fired, due_at)
