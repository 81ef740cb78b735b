"""What an order event changes: facts of the order and its customer, timers, and the decision that records it."""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime

from services.dispatcher.domain import customers as customer_rules
from services.dispatcher.domain import orders as order_rules
from services.dispatcher.domain import timers as timer_rules
from services.dispatcher.domain.campaigns import Campaign, asking_about_orders, recurring
from services.dispatcher.domain.customers import Customer
from services.dispatcher.domain.decisions import Decision, event_decision_id, of_cancellation
from services.dispatcher.domain.event_contents import content_digest
from services.dispatcher.domain.orders import STOP_REASONS, Order
from services.dispatcher.domain.reasons import Outcome, Reason
from services.dispatcher.domain.segments import Segmentation
from services.dispatcher.domain.timers import Effect, OrderAsked, Recurrence, Timer
from shared.contracts import orders
from shared.contracts.adjustments import Adjustments
from shared.contracts.cloudevents import Message
from shared.contracts.orders import OrderEvent
from shared.digests import CustomerDigests
from shared.order_facts import said_at


@dataclass(frozen=True, slots=True, kw_only=True)
class IncomingEvent:
    """An order event, identified by its source and id, regardless of the partition.

    ``mailbox`` is a short digest of the email address it names. If its customer id is one that several people share,
    its body names the person instead of ``given_id``, ``guest_of_order`` is somebody of whom only this order is known,
    and ``shared_id`` the shared one, if that was not known to be shared before. ``guest_ids`` are all that stand for
    whoever placed the order, if its id is many people's (``Guests.ids_of``).
    """

    decision_id: str
    type: str
    source: str
    event_id: str
    body: OrderEvent
    traceparent: str | None
    adjustments: Adjustments = ()
    digest: str | None = None
    mailbox: str | None = None
    guest_of_order: str | None = None
    given_id: str | None = None
    shared_id: str | None = None
    guest_ids: Sequence[str] = ()


def incoming(received: Iterable[tuple[Message, OrderEvent]], digests: CustomerDigests) -> list[IncomingEvent]:
    """The order events of a batch, deduplicated."""
    events: dict[str, IncomingEvent] = {}
    for message, body in received:
        decision_id = event_decision_id(source=message.source, event_id=message.event_id)
        events.setdefault(
            decision_id,
            IncomingEvent(
                decision_id=decision_id,
                type=message.type,
                source=message.source,
                event_id=message.event_id,
                body=body,
                traceparent=message.traceparent,
                adjustments=message.adjustments,
                digest=content_digest(message.type, body),
                mailbox=digests.mailbox(body.customer.email)[:16] if body.customer.email else None,
            ),
        )
    return list(events.values())


@dataclass(frozen=True, slots=True)
class Changes:
    """What a batch changed and has to write. ``removed`` are timer ids."""

    orders: Sequence[Order]
    customers: Sequence[Customer]
    timers: Sequence[Timer]
    removed: Sequence[str]


@dataclass(slots=True, kw_only=True)
class OrderBatch:
    """What is known about the orders and customers of a batch of events; ``fold`` updates it event by event.

    ``about_order`` has the timers by (campaign, order id), ``recurring`` those by (campaign, customer id), like
    ``recurrences``; ``asked`` has the (campaign, order id) already decided. It has every order and customer named by
    an event, and the customers of these orders.
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
    further_decisions: list[Decision] = field(default_factory=list)
    """Besides the one ``fold`` returns: on timers that an event cancelled although it was not about their customer."""
    _orders_before: dict[str, Order] = field(init=False)
    _customers_before: dict[str, Customer] = field(init=False)
    _timers_before: dict[str, Timer] = field(init=False)
    _about_orders: Sequence[Campaign] = field(init=False)
    _recurring_campaigns: Sequence[Campaign] = field(init=False)
    _triggered_by: Mapping[str, Set[str]] = field(init=False)

    def __post_init__(self) -> None:
        self._orders_before = dict(self.orders)
        self._customers_before = dict(self.customers)
        self._timers_before = self.timers()
        self._about_orders = asking_about_orders(self.campaigns)
        self._recurring_campaigns = recurring(self.campaigns)
        triggered: dict[str, set[str]] = {}
        for campaign in self._about_orders:
            for trigger in campaign.trigger:
                triggered.setdefault(trigger.after, set()).add(campaign.id)
        self._triggered_by = triggered

    def timers(self) -> dict[str, Timer]:
        """By id."""
        return {timer.timer_id: timer for timer in (*self.about_order.values(), *self.recurring.values())}

    def changes(self) -> Changes:
        """The changes of all events so far."""
        timers = self.timers()
        return Changes(
            orders=[order for name, order in self.orders.items() if order is not self._orders_before[name]],
            customers=[one for name, one in self.customers.items() if one != self._customers_before[name]],
            timers=[timer for name, timer in timers.items() if timer != self._timers_before.get(name)],
            removed=sorted(self._timers_before.keys() - timers.keys()),
        )

    def fold(self, event: IncomingEvent) -> Decision:
        """Folds the event into the facts, updates the timers accordingly, and returns the decision."""
        body = event.body
        before = self.orders[body.order_id]
        at = said_at(body, arrived_at=self.now)
        order = order_rules.fold(before, event.type, body, at, guest_ids=event.guest_ids)
        named = body.customer.id
        if event.guest_of_order is not None:
            order = order_rules.of_guest(order, before, named=named, unknown=event.guest_of_order, given=event.given_id)
            named = order.customer_id if named == event.guest_of_order else named
        if event.shared_id is not None:
            self._tell_shared(event.shared_id)
        for name in {named, order.customer_id}:
            one = self.customers[name]
            if one.was_erased_by(order.first_event_at) and not one.was_erased_by(before.first_event_at):
                self.customers[name] = customer_rules.without_details(one) if before.first_event_at else one
        # The customer the event names, who may differ from the order's, which its newest event determines.
        sender = customer_rules.fold(self.customers[named], body, order.first_event_at, event.mailbox, at)
        self.customers[sender.customer_id] = sender
        customer = self.customers[order.customer_id]
        if customer.was_erased_by(order.first_event_at):
            order = order_rules.erase(order)
        self.orders[order.order_id] = order
        asked = OrderAsked(order, customer, self.segmentation, self.now)
        effects = [self._align_with_order(campaign, asked, event) for campaign in self._about_orders]
        effects += [self._align_with_customer(campaign, sender) for campaign in self._recurring_campaigns]
        triggered = self._triggered_by.get(event.type, frozenset())
        outcome, reason = outcome_of(event.type, triggered, effects)
        if reason is Reason.NOTHING_TO_CANCEL and event.type not in order.facts.in_force:
            reason = _why_not_in_force(event.type)
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
            effects=[effect for effect in effects if _is_logged(effect, triggered)],
            adjustments=event.adjustments,
            content=event.digest,
        )

    def _tell_shared(self, customer_id: str) -> None:
        """The customer turns out to be several people: nobody is asked as them."""
        self.customers[customer_id] = customer_rules.as_several_people(self.customers[customer_id])
        for name, timer in list(self.recurring.items()):
            if timer.customer_id == customer_id:
                del self.recurring[name]
                self.further_decisions.append(of_cancellation(timer, Reason.SHARED_ID, self.now))

    def _align_with_order(self, campaign: Campaign, asked: OrderAsked, event: IncomingEvent) -> Effect:
        order = asked.order
        name = (campaign.id, order.order_id)
        plan = timer_rules.plan_order(campaign, asked)
        effect = timer_rules.order_effect(
            campaign, plan, self.about_order.get(name), order, already_asked=name in self.asked
        )
        if effect.change == "cancelled":
            del self.about_order[name]
        elif effect.change != "none" and effect.check_at is not None:
            self.about_order[name] = timer_rules.order_timer(campaign, order, effect.check_at, event.traceparent)
        return effect

    def _align_with_customer(self, campaign: Campaign, customer: Customer) -> Effect:
        name = (campaign.id, customer.customer_id)
        last = self.recurrences.get(name)
        plan = timer_rules.plan_recurrence(campaign, customer, last, self.now)
        effect = timer_rules.planned_effect(campaign, plan, self.recurring.get(name))
        if effect.change == "cancelled":
            del self.recurring[name]
        elif effect.change != "none" and effect.check_at is not None:
            self.recurring[name] = timer_rules.recurring_timer(campaign, customer.customer_id, last, effect.check_at)
        return effect


def outcome_of(event_type: str, triggered: Set[str], effects: Sequence[Effect]) -> tuple[Outcome, Reason]:
    """The outcome and reason of an order event, from its effect on each campaign's timer.

    A cancelled timer outranks a set one, which outranks a moved one. If nothing changed, the reason is the
    highest-ranking one among the campaigns ``triggered`` by this event's milestone.
    """
    for change in ("cancelled", "set", "moved"):
        for effect in effects:
            if effect.change == change:
                return effect.outcome, effect.reason
    if event_type in STOP_REASONS:
        return Outcome.NO_TIMER, Reason.NOTHING_TO_CANCEL
    reasons = {effect.campaign: effect.reason for effect in effects}
    if not set(reasons.values()).isdisjoint(STOP_REASONS.values()):
        return Outcome.NO_TIMER, Reason.ALREADY_STOPPED
    found = {reason for campaign, reason in reasons.items() if campaign in triggered}
    for reason in _UNCHANGED_BY_WEIGHT:
        if reason in found:
            # An event of the awaited milestone has arrived, so the order's other shipments are what is missing.
            awaited = reason is Reason.MILESTONE_AWAITED
            return Outcome.NO_TIMER, Reason.SHIPMENTS_AWAITED if awaited else reason
    return Outcome.NO_TIMER, Reason.NO_CAMPAIGN_MATCHES


def _why_not_in_force(event_type: str) -> Reason:
    """Why an order goes on that was cancelled or refunded (``OrderFacts.in_force``)."""
    return Reason.CANCELLATION_REVERSED if event_type == orders.CANCELLED else Reason.REFUNDED_IN_PART


_UNCHANGED_BY_WEIGHT = (
    Reason.ERASED,
    Reason.NO_CHANGE,
    Reason.ALREADY_ASKED,
    Reason.TOO_LATE,
    Reason.NOT_IN_AUDIENCE,
    Reason.MILESTONE_AWAITED,
)
_WHY_NEVER = frozenset({Reason.TOO_LATE, Reason.NOT_IN_AUDIENCE, Reason.ERASED})


def _is_logged(effect: Effect, triggered: Set[str]) -> bool:
    """By rank: what the event changed, why there can be no survey, and the state of the event's milestone."""
    if effect.change != "none" or effect.reason in _WHY_NEVER:
        return True
    return effect.campaign in triggered
