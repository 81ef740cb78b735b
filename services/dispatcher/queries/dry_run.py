"""A dry run: what a campaign would do about an order event, by the same rules, without storing anything."""

from dataclasses import replace
from datetime import datetime

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection

from services.dispatcher.domain import customers as customer_rules
from services.dispatcher.domain import orders as order_rules
from services.dispatcher.domain.campaign_review import warnings
from services.dispatcher.domain.campaigns import Campaign
from services.dispatcher.domain.customers import Customer
from services.dispatcher.domain.order_plans import OrderAsked, plan_order
from services.dispatcher.domain.orders import Order
from services.dispatcher.domain.policy.engine import Policy
from services.dispatcher.domain.policy.rules import rule_of
from services.dispatcher.domain.reasons import Outcome, Reason, explain
from services.dispatcher.domain.segments import taken, unmet
from services.dispatcher.domain.timers import Plan, Timer, order_timer, plan_recurrence, recurring_timer
from services.dispatcher.queries import situations
from services.dispatcher.repository import campaigns, customers, orders, timers
from services.dispatcher.settings import DispatcherSettings
from shared.contracts.orders import OrderEvent
from shared.guests import Guests
from shared.moments import to_the_minute
from shared.order_facts import said_at
from shared.runtime import Runtime


class UnmetCondition(BaseModel):
    """A dimension of the audience, the values it accepts, and those found."""

    dimension: str
    accepted: list[str]
    found: list[str]


class DryRun(BaseModel):
    """``due_at`` is when the survey would be due, ``outcome`` what would be decided then, from what is known now.

    Times are in UTC. ``segments`` are those the survey would have, ``unmet`` the parts of the audience that the order
    or customer is not in, ``rule`` the rule of the contact policy that objects, ``warnings`` what is wrong with the
    campaign whatever the event.
    """

    campaign: str
    outcome: str
    reason: str
    explanation: str
    due_at: datetime | None = None
    until: datetime | None = None
    segments: dict[str, str | list[str]] | None = None
    unmet: list[UnmetCondition] = []
    rule: str | None = None
    warnings: list[str] = []


async def warned(connection: AsyncConnection, runtime: Runtime[DispatcherSettings], campaign: Campaign) -> list[str]:
    """What is wrong with ``campaign`` beside the current ones."""
    others = [stored.campaign for stored in (await campaigns.all_of_them(connection)).values()]
    return warnings(campaign, others, quiet_period=runtime.settings.quiet_period)


def in_general(campaign: Campaign) -> DryRun:
    """When the campaign asks, in general, without an event to try it on."""
    definition = campaign.model_dump(mode="json")
    if campaign.trigger:
        moments = " or ".join(f"{each['delay']} after {each['after']}" for each in definition["trigger"])
        first = ", whichever comes first," if len(campaign.trigger) > 1 else ""
        asks = f"Asks {moments}{first} unless the order is stopped before then."
    else:
        asks = f"Asks every {definition['every']}, if the customer ordered within {definition['active_within']}."
    return DryRun(campaign=campaign.id, outcome=Outcome.NO_TIMER, reason=Reason.NO_EVENT, explanation=asks)


async def of_event(
    connection: AsyncConnection,
    runtime: Runtime[DispatcherSettings],
    campaign: Campaign,
    event_type: str,
    event: OrderEvent,
) -> DryRun:
    """What would happen if ``event`` arrived now, on top of what is known about its order and customer."""
    now = runtime.clock.now()
    event = Guests(runtime.settings.guest_ids.split(","), runtime.digests).told_apart(event)
    customer_id, order_id = event.customer.id, event.order_id
    customer = (await customers.read(connection, [customer_id])).get(customer_id, Customer(customer_id=customer_id))
    order = (await orders.read(connection, [order_id])).get(order_id, Order(order_id))
    at = said_at(event, arrived_at=now)
    order = order_rules.fold(order, event_type, event, at)
    customer = customer_rules.fold(customer, event, order.first_event_at, at=at)
    segments = taken(runtime.settings.segmentation, campaign, customer, order, now)
    missed = [
        UnmetCondition(dimension=dimension, accepted=list(campaign.audience[dimension]), found=found)
        for dimension, found in unmet(campaign.audience, segments, order)
    ]
    told = await warned(connection, runtime, campaign)
    plan, timer = await _plan(connection, runtime, campaign, customer, order, now)
    if timer is None:
        return DryRun(
            campaign=campaign.id,
            outcome=Outcome.NO_TIMER,
            reason=plan.reason,
            explanation=explain(Outcome.NO_TIMER, plan.reason),
            segments=segments,
            unmet=missed,
            warnings=told,
        )
    current = {name: stored.campaign for name, stored in (await campaigns.all_of_them(connection)).items()}
    policy = Policy({**current, campaign.id: campaign}, runtime.settings.quiet_period, runtime.settings.segmentation)
    then = max(now, timer.due_at)
    known = await situations.read(
        connection,
        [customer_id],
        then,
        digests=runtime.digests,
        look_ahead=policy.longest_look_ahead(),
        look_back=policy.longest_quiet_period(),
    )
    situation = replace(
        known[customer_id],
        customer=customer,
        suppressed=await situations.suppressed_at(connection, customer, runtime.digests),
        due=[timer],
        upcoming=[other for other in known[customer_id].upcoming if other.timer_id != timer.timer_id],
        orders={order_id: order},
        last_ordered_at=order.ordered_at,
    )
    (verdict,) = policy.decide(situation, then)
    decided = explain(verdict.outcome, verdict.reason, verdict.until, verdict.because_of, ahead=True)
    return DryRun(
        campaign=campaign.id,
        outcome=verdict.outcome,
        reason=verdict.reason,
        explanation=f"Due at {to_the_minute(timer.due_at)}. {decided}",
        due_at=timer.due_at,
        until=verdict.until,
        segments=verdict.segments or segments,
        unmet=missed,
        rule=rule_of(verdict.reason),
        warnings=told,
    )


async def _plan(
    connection: AsyncConnection,
    runtime: Runtime[DispatcherSettings],
    campaign: Campaign,
    customer: Customer,
    order: Order,
    now: datetime,
) -> tuple[Plan, Timer | None]:
    """The plan, and the resulting timer."""
    if campaign.trigger:
        plan = plan_order(campaign, OrderAsked(order, customer, runtime.settings.segmentation, now))
        if plan.due_at is None:
            return plan, None
        # The sample's customer is asked, even if a newer event moved the order to another one.
        theirs = replace(order, details={**order.details, "customer_id": (0, customer.customer_id)})
        return plan, order_timer(campaign, theirs, plan.due_at, None)
    last = (await timers.recurrences(connection, [customer.customer_id])).get((campaign.id, customer.customer_id))
    plan = plan_recurrence(campaign, customer, last, now)
    return plan, None if plan.due_at is None else recurring_timer(campaign, customer.customer_id, last, plan.due_at)
