"""One batch of order events: facts folded, timers set, moved and cancelled, and a decision for each event.

Everything is read once under the locks, worked out in memory event by event, and written once.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from services.dispatcher.domain import customers as customer_rules
from services.dispatcher.domain import orders as order_rules
from services.dispatcher.domain import timers as timer_rules
from services.dispatcher.domain.campaigns import Campaign, asking_about_orders, recurring
from services.dispatcher.domain.customers import Customer
from services.dispatcher.domain.decisions import Decision, event_decision_id
from services.dispatcher.domain.orders import Order
from services.dispatcher.domain.segments import Segmentation
from services.dispatcher.domain.timers import Effect, Timer
from services.dispatcher.repository import customers, decisions, orders, timers
from services.dispatcher.repository.timers import Recurrence
from shared.contracts.cloudevents import Message
from shared.contracts.orders import OrderEvent


@dataclass(frozen=True, slots=True)
class IncomingEvent:
    """An order event and what identifies it: its source and id, whatever partition it came by."""

    decision_id: str
    type: str
    source: str
    event_id: str
    body: OrderEvent
    traceparent: str | None


def incoming(messages: Iterable[Message]) -> list[IncomingEvent]:
    """The order events of a batch, each once."""
    events: dict[str, IncomingEvent] = {}
    for message in messages:
        assert isinstance(message.body, OrderEvent)
        decision_id = event_decision_id(message.source, message.event_id)
        events.setdefault(
            decision_id,
            IncomingEvent(
                decision_id, message.type, message.source, message.event_id, message.body, message.traceparent
            ),
        )
    return list(events.values())


@dataclass(slots=True)
class OrderBatch:
    """What is known, under lock, of the orders and customers of a batch; ``take_in`` changes it event by event.

    ``about_order`` has the timers by (campaign, order id), ``recurring`` by (campaign, customer id); ``asked`` the
    (order id, campaign) that are through.
    """

    orders: dict[str, Order]
    customers: dict[str, Customer]
    about_order: dict[tuple[str, str], Timer]
    recurring: dict[tuple[str, str], Timer]
    asked: set[tuple[str, str]]
    recurrences: dict[tuple[str, str], Recurrence]
    campaigns: Sequence[Campaign]
    segmentation: Segmentation
    now: datetime

    @classmethod
    async def locked(
        cls,
        connection: AsyncConnection,
        events: Sequence[IncomingEvent],
        campaigns: Sequence[Campaign],
        segmentation: Segmentation,
        now: datetime,
    ) -> "OrderBatch":
        """Locks the orders, then everybody they belong to or are now said to belong to, and reads the rest."""
        known_orders = await orders.lock(connection, {event.body.order_id: event.body.customer.id for event in events})
        owners = {event.body.customer.id for event in events}
        owners.update(order.customer_id for order in known_orders.values() if order.customer_id)
        known_customers = await customers.lock(connection, owners)
        pending = await timers.about(connection, known_orders, owners)
        return cls(
            orders=known_orders,
            customers=known_customers,
            about_order={(timer.campaign, timer.order_id): timer for timer in pending if timer.order_id is not None},
            recurring={(timer.campaign, timer.customer_id): timer for timer in pending if timer.order_id is None},
            asked=await decisions.asked_about(connection, known_orders),
            recurrences=await timers.recurrences(connection, owners),
            campaigns=campaigns,
            segmentation=segmentation,
            now=now,
        )

    def timers(self) -> dict[str, Timer]:
        """By id."""
        return {timer.timer_id: timer for timer in (*self.about_order.values(), *self.recurring.values())}

    def take_in(self, event: IncomingEvent) -> Decision:
        """Folds the event into the facts, brings the timers in line with them, and says what that did."""
        body = event.body
        teller = customer_rules.fold(self.customers[body.customer.id], body)
        self.customers[teller.customer_id] = teller
        order = order_rules.fold(self.orders[body.order_id], event.type, body)
        customer = self.customers[order.customer_id]
        if customer.was_erased_by(order.first_event_at):
            order = order_rules.without_attributes(order)
        self.orders[order.order_id] = order
        about_order = asking_about_orders(self.campaigns)
        effects = [self._align_with_order(campaign, order, customer, event) for campaign in about_order]
        effects += [self._align_with_customer(campaign, teller) for campaign in recurring(self.campaigns)]
        outcome, reason = timer_rules.outcome_of(event.type, about_order, effects)
        return Decision(
            decision_id=event.decision_id,
            customer_id=order.customer_id,
            decided_at=self.now,
            outcome=outcome,
            reason=reason,
            order_id=order.order_id,
            event_type=event.type,
            source=event.source,
            event_id=event.event_id,
            occurred_at=body.occurred_at,
            effects=[effect for effect in effects if _belongs_in_the_story(effect, about_order, event)],
        )

    def _align_with_order(self, campaign: Campaign, order: Order, customer: Customer, event: IncomingEvent) -> Effect:
        name = (campaign.id, order.order_id)
        plan = timer_rules.plan_order(campaign, order, customer, self.segmentation, self.now)
        effect = timer_rules.order_effect(
            campaign, plan, self.about_order.get(name), order, already_asked=(order.order_id, campaign.id) in self.asked
        )
        if effect.change == "cancelled":
            del self.about_order[name]
        elif effect.change != "none" and effect.due_at is not None:
            self.about_order[name] = timer_rules.order_timer(campaign, order, effect.due_at, event.traceparent)
        return effect

    def _align_with_customer(self, campaign: Campaign, customer: Customer) -> Effect:
        name = (campaign.id, customer.customer_id)
        last = self.recurrences.get(name)
        plan = timer_rules.plan_recurrence(campaign, customer, None if last is None else last.fired_at, self.now)
        effect = timer_rules.recurrence_effect(campaign, plan, self.recurring.get(name))
        if effect.change == "cancelled":
            del self.recurring[name]
        elif effect.change != "none" and effect.due_at is not None:
            occurrence = 1 if last is None else last.occurrence + 1
            self.recurring[name] = timer_rules.recurring_timer(
                campaign, customer.customer_id, occurrence, effect.due_at
            )
        return effect


def _belongs_in_the_story(effect: Effect, campaigns: Sequence[Campaign], event: IncomingEvent) -> bool:
    """What the event changed, why a timer cannot be, and what became of the milestone the event is about."""
    if effect.change != "none" or effect.reason in _WHY_NEVER:
        return True
    return any(
        campaign.id == effect.campaign and any(trigger.after == event.type for trigger in campaign.trigger)
        for campaign in campaigns
    )


_WHY_NEVER = frozenset({"too_late", "not_in_audience", "erased"})


async def take_in_orders(
    connection: AsyncConnection,
    messages: Sequence[Message],
    campaigns: Sequence[Campaign],
    segmentation: Segmentation,
    now: datetime,
) -> None:
    """Takes order events in, on the transaction of ``connection``. Events known already change nothing."""
    events = incoming(messages)
    batch = await OrderBatch.locked(connection, events, campaigns, segmentation, now)
    # Only under the locks is it sure that no twin is taking the same event in.
    known = await decisions.known(connection, [event.decision_id for event in events])
    timers_before, orders_before, customers_before = batch.timers(), dict(batch.orders), dict(batch.customers)
    taken = [batch.take_in(event) for event in events if event.decision_id not in known]
    if not taken:
        return
    await orders.write(connection, [o for name, o in batch.orders.items() if o is not orders_before[name]])
    await customers.write(connection, [c for name, c in batch.customers.items() if c != customers_before[name]])
    timers_after = batch.timers()
    await timers.remove(connection, sorted(timers_before.keys() - timers_after.keys()))
    await timers.put(connection, [t for name, t in timers_after.items() if timers_before.get(name) != t])
    await decisions.put(connection, taken)
