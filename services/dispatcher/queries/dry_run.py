"""A dry run: what a campaign would do about an order event, by the same rules and with nothing kept."""

from dataclasses import replace
from datetime import datetime
from typing import Annotated, Literal

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError
from sqlalchemy.ext.asyncio import AsyncConnection

from services.dispatcher.domain import customers as customer_rules
from services.dispatcher.domain import orders as order_rules
from services.dispatcher.domain.campaigns import Campaign
from services.dispatcher.domain.customers import Customer
from services.dispatcher.domain.decisions import explain
from services.dispatcher.domain.orders import Order
from services.dispatcher.domain.policy.policy import Policy, Situation
from services.dispatcher.domain.timers import Plan, order_timer, plan_order, plan_recurrence, recurring_timer
from services.dispatcher.repository import campaigns, customers, orders, sends, timers
from services.dispatcher.settings import DispatcherSettings
from shared.contracts.orders import OrderEvent
from shared.runtime import Runtime
from shared.validation import explain_without_values


def _as_from_kafka(body: object) -> object:
    """The contracts are strict about Python values; a body that came as JSON is read as one from Kafka is."""
    if not isinstance(body, dict):
        return body
    try:
        return OrderEvent.model_validate_json(orjson.dumps(body), extra="ignore")
    except ValidationError as error:
        raise ValueError(explain_without_values(error, OrderEvent)) from error


class SampleEvent(BaseModel):
    """An order event as a shop would send it: its type, and its body."""

    model_config = ConfigDict(extra="forbid")
    type: Literal[
        "order.placed",
        "order.paid",
        "order.shipped",
        "order.delivered",
        "order.cancelled",
        "order.refunded",
        "order.returned",
    ]
    body: Annotated[OrderEvent, BeforeValidator(_as_from_kafka)]


class Trial(BaseModel):
    """``due_at`` is when the campaign would look at it, ``outcome`` what it would decide then by what is known now."""

    campaign: str
    outcome: str
    reason: str
    explanation: str
    due_at: datetime | None = None
    until: datetime | None = None
    segments: dict[str, str | list[str]] | None = None


async def of_event(
    runtime: Runtime[DispatcherSettings],
    connection: AsyncConnection,
    campaign: Campaign,
    sample: SampleEvent | None,
) -> Trial:
    """What would happen if ``sample`` came now, on top of what is known of its order and customer.

    Without a sample: when the campaign asks, in general.
    """
    if sample is None:
        return Trial(campaign=campaign.id, outcome="no_timer", reason="no_event", explanation=_in_general(campaign))
    now = runtime.clock.now()
    body = sample.body
    customer_id, order_id = body.customer.id, body.order_id
    customer = (await customers.read(connection, [customer_id])).get(customer_id, Customer(customer_id))
    order = (await orders.read(connection, [order_id])).get(order_id, Order(order_id))
    customer = customer_rules.fold(customer, body)
    order = order_rules.fold(order, sample.type, body)
    plan = await _plan(runtime, connection, campaign, customer, order, now)
    if plan.due_at is None:
        return Trial(
            campaign=campaign.id, outcome="no_timer", reason=plan.reason, explanation=explain("no_timer", plan.reason)
        )
    timer = (
        order_timer(
            campaign, replace(order, details={**order.details, "customer_id": (0, customer_id)}), plan.due_at, None
        )
        if campaign.trigger
        else recurring_timer(campaign, customer_id, 1, plan.due_at)
    )
    then = max(now, plan.due_at)
    in_force = {name: stored.campaign for name, stored in (await campaigns.all_of_them(connection)).items()}
    policy = Policy({**in_force, campaign.id: campaign}, runtime.settings.quiet_period, runtime.settings.segmentation)
    ahead = await timers.of_customers(connection, [customer_id], then + policy.longest_look_ahead())
    history = await sends.history(connection, [customer_id], then - policy.longest_quiet_period())
    situation = Situation(
        customer=customer,
        due=[timer],
        upcoming=[other for other in ahead if other.due_at > then and other.timer_id != timer.timer_id],
        orders={order_id: order},
        history=history.get(customer_id, ()),
        last_ordered_at=order.ordered_at,
    )
    (verdict,) = policy.decide(situation, then)
    until = None if verdict.until is None else f"{verdict.until:%Y-%m-%d %H:%M} UTC"
    return Trial(
        campaign=campaign.id,
        outcome=verdict.outcome,
        reason=verdict.reason,
        explanation=f"Due {plan.due_at:%Y-%m-%d %H:%M} UTC. "
        + explain(verdict.outcome, verdict.reason, until, verdict.because_of),
        due_at=plan.due_at,
        until=verdict.until,
        segments=verdict.segments,
    )


async def _plan(
    runtime: Runtime[DispatcherSettings],
    connection: AsyncConnection,
    campaign: Campaign,
    customer: Customer,
    order: Order,
    now: datetime,
) -> Plan:
    if campaign.trigger:
        return plan_order(campaign, order, customer, runtime.settings.segmentation, now)
    last = (await timers.recurrences(connection, [customer.customer_id])).get((campaign.id, customer.customer_id))
    return plan_recurrence(campaign, customer, None if last is None else last.fired_at, now)


def _in_general(campaign: Campaign) -> str:
    definition = campaign.model_dump(mode="json")
    if campaign.trigger:
        moments = " or ".join(f"{each['delay']} after {each['after']}" for each in definition["trigger"])
        return f"Asks {moments}, whichever is first, unless the order ends before."
    return f"Asks every {definition['every']} who ordered within {definition['active_within']}."
