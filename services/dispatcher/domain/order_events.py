"""What an order event changes: facts of the order and its customer, timers, and the decision that records it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from services.dispatcher.domain import customers as customer_rules
from services.dispatcher.domain import orders as order_rules
from services.dispatcher.domain import timers as timer_rules
from services.dispatcher.domain.campaigns import Campaign, CampaignSet
from services.dispatcher.domain.customers import Customer
from services.dispatcher.domain.decisions import Decision, event_decision_id, of_cancellation
from services.dispatcher.domain.event_contents import content_digest
from services.dispatcher.domain.order_plans import CampaignIndex, OrderAsked, plan_due
from services.dispatcher.domain.orders import STOP_REASONS, Order
from services.dispatcher.domain.reasons import Outcome, Reason
from services.dispatcher.domain.segments import Segmentation
from services.dispatcher.domain.timers import Effect, Plan, Recurrence, Timer
from shared.contracts import orders
from shared.contracts.adjustments import Adjustments
from shared.contracts.cloudevents import Message
from shared.contracts.orders import OrderEvent
from shared.guests import Guests
from shared.order_facts import said_at


# Not frozen, although never changed: creating a frozen instance takes three times as long.
@dataclass(slots=True, kw_only=True)
class IncomingEvent:
    """An order event, identified by its source and id, regardless of the partition.

    ``mailbox`` is a short digest of the email address it names. If its customer id is one that several people share,
    its body names the person instead of ``given_id``, ``guest_of_order`` is somebody of whom only this order is known,
    and ``shared_id`` the shared one, if that was not known to be shared before. ``guest_ids`` are all that stand for
    whoever placed the order, if its id is many people's (``Guests.ids_of``). ``order_id`` and ``customer_id`` are those
    of its body: whoever looks at all the events of a batch for nothing else would have to fetch every body into the
    processor's cache.
    """

    decision_id: str
    type: str
    source: str
    event_id: str
    body: OrderEvent
    order_id: str
    customer_id: str
    traceparent: str | None
    adjustments: Adjustments = ()
    digest: str | None = None
    mailbox: str | None = None
    guest_of_order: str | None = None
    given_id: str | None = None
    shared_id: str | None = None
    guest_ids: Sequence[str] = ()


def incoming(received: Iterable[tuple[Message, OrderEvent]], guests: Guests) -> list[IncomingEvent]:
    """The order events of a batch, one for each message."""
    # An order has several events in a batch, and what its people are told apart by takes a while to compute.
    told_by: dict[tuple[str, str | None, str | None], tuple[str | None, list[str]]] = {}
    digests: dict[str, str] = {}
    same: dict[str, str] = {}
    events = []
    for message, body in received:
        order_id, who = same.setdefault(body.order_id, body.order_id), body.customer
        told = told_by.get((order_id, who.email, who.phone))
        if told is None:
            told = guests.told_by(order_id, email=who.email, phone=who.phone, digests=digests)
            told_by[order_id, who.email, who.phone] = told
        events.append(
            IncomingEvent(
                decision_id=event_decision_id(source=message.source, event_id=message.event_id),
                type=message.type,
                source=message.source,
                event_id=message.event_id,
                body=body,
                order_id=order_id,
                customer_id=same.setdefault(who.id, who.id),
                traceparent=message.traceparent,
                adjustments=message.adjustments,
                digest=content_digest(message.type, body),
                mailbox=told[0],
                guest_ids=told[1],
            )
        )
    return events


def distinct(events: Iterable[IncomingEvent]) -> list[IncomingEvent]:
    """The events without duplicates: the first of each."""
    first: dict[str, IncomingEvent] = {}
    for event in events:
        first.setdefault(event.decision_id, event)
    return list(first.values())


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
    campaigns: CampaignIndex
    segmentation: Segmentation
    now: datetime
    further_decisions: list[Decision] = field(default_factory=list)
    """Besides the one ``fold`` returns: on timers that an event cancelled although it was not about their customer."""
    _orders_before: dict[str, Order] = field(init=False)
    _customers_before: dict[str, Customer] = field(init=False)
    _timers_before: dict[str, Timer] = field(init=False)
    # By order id: the campaigns that have a timer about it, and those that have decided on it.
    _waiting: dict[str, CampaignSet] = field(init=False)
    _settled: dict[str, CampaignSet] = field(init=False)
    # By customer id: since when they order, when their recurring timers were last brought in line with it.
    _recurring_since: dict[str, datetime] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._orders_before = dict(self.orders)
        self._customers_before = dict(self.customers)
        self._timers_before = self.timers()
        self._waiting = self._by_order(self.about_order)
        self._settled = self._by_order(self.asked)

    def _by_order(self, names: Iterable[tuple[str, str]]) -> dict[str, CampaignSet]:
        found: dict[str, CampaignSet] = {}
        for campaign_id, order_id in names:
            number = self.campaigns.number_of(campaign_id)
            if number is not None:
                found[order_id] = found.get(order_id, 0) | 1 << number
        return found

    def timers(self) -> dict[str, Timer]:
        """By id."""
        return {timer.timer_id: timer for timer in (*self.about_order.values(), *self.recurring.values())}

    def changes(self) -> Changes:
        """The changes of all events so far."""
        timers = self.timers()
        return Changes(
            orders=[order for name, order in self.orders.items() if order is not self._orders_before[name]],
            customers=[
                one
                for name, one in self.customers.items()
                if one is not (before := self._customers_before[name]) and one != before
            ],
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
        owner = order.customer_id
        for name in (named,) if named == owner else (named, owner):
            one = self.customers[name]
            if one.was_erased_by(order.first_event_at) and not one.was_erased_by(before.first_event_at):
                self.customers[name] = customer_rules.without_details(one) if before.first_event_at else one
        # The customer the event names, who may differ from the order's, which its newest event determines.
        sender = customer_rules.fold(self.customers[named], body, order.first_event_at, event.mailbox, at)
        self.customers[named] = sender
        customer = sender if named == owner else self.customers[owner]
        if customer.was_erased_by(order.first_event_at):
            order = order_rules.erase(order)
        self.orders[order.order_id] = order
        effects, others = self._align_with_order(OrderAsked(order, customer, self.segmentation, self.now), event)
        effects += self._align_with_customer(sender)
        triggered = self.campaigns.triggered_by.get(event.type, 0)
        outcome, reason = _changed(effects) or self._unchanged(event.type, effects, others, triggered)
        if reason is Reason.NOTHING_TO_CANCEL and event.type not in order.facts.in_force:
            reason = _why_not_in_force(event.type)
        return Decision(
            decision_id=event.decision_id,
            customer_id=owner,
            decided_at=self.now,
            outcome=outcome,
            reason=reason,
            order_id=order.order_id,
            event_type=event.type,
            source=event.source,
            event_id=event.event_id,
            occurred_at=body.occurred_at,
            effects=[effect for effect in effects if self._is_logged(effect, triggered)],
            left_out=_logged_of(others, triggered) if others else (),
            adjustments=event.adjustments,
            content=event.digest,
        )

    def _tell_shared(self, customer_id: str) -> None:
        """The customer turns out to be several people: nobody is asked as them."""
        self.customers[customer_id] = customer_rules.as_several_people(self.customers[customer_id])
        self._recurring_since.pop(customer_id, None)
        for name, timer in list(self.recurring.items()):
            if timer.customer_id == customer_id:
                del self.recurring[name]
                self.further_decisions.append(of_cancellation(timer, Reason.SHARED_ID, self.now))

    def _align_with_order(
        self, asked: OrderAsked, event: IncomingEvent
    ) -> tuple[list[Effect], list[tuple[Reason, CampaignSet]]]:
        """The effects on the timers of campaigns that ask about the order or have one, and the others by the reason."""
        order_id = asked.order.order_id
        asking, others = self.campaigns.sort_out(asked)
        settled = self._settled.get(order_id, 0)
        concerned = (asking | self._waiting.get(order_id, 0)) & ~settled
        effects = []
        for number, campaign in self.campaigns.named(concerned):
            itself = 1 << number
            plan = plan_due(campaign, asked) if asking & itself else Plan(None, _reason_of(itself, others))
            effects.append(self._align(number, campaign, plan, asked.order, event))
        untouched = [(reason, left) for reason, which in others if (left := which & ~concerned & ~settled)]
        return effects, [*untouched, (Reason.ALREADY_ASKED, settled)] if settled else untouched

    def _align(self, number: int, campaign: Campaign, plan: Plan, order: Order, event: IncomingEvent) -> Effect:
        name = (campaign.id, order.order_id)
        effect = timer_rules.order_effect(campaign, plan, self.about_order.get(name), order)
        if effect.change == "cancelled":
            del self.about_order[name]
            self._waiting[order.order_id] ^= 1 << number
        elif effect.change != "none" and effect.check_at is not None:
            self.about_order[name] = timer_rules.order_timer(campaign, order, effect.check_at, event.traceparent)
            self._waiting[order.order_id] = self._waiting.get(order.order_id, 0) | 1 << number
        return effect

    def _align_with_customer(self, customer: Customer) -> list[Effect]:
        name = customer.customer_id
        since = customer.first_event_at
        if since is not None and self._recurring_since.get(name) == since:
            return []  # nothing that they depend on has changed since the last event of this batch
        effects = [self._align_recurring(campaign, customer) for campaign in self.campaigns.recurring]
        if since is not None:
            self._recurring_since[name] = since
        return effects

    def _align_recurring(self, campaign: Campaign, customer: Customer) -> Effect:
        name = (campaign.id, customer.customer_id)
        last = self.recurrences.get(name)
        plan = timer_rules.plan_recurrence(campaign, customer, last, self.now)
        effect = timer_rules.planned_effect(campaign, plan, self.recurring.get(name))
        if effect.change == "cancelled":
            del self.recurring[name]
        elif effect.change != "none" and effect.check_at is not None:
            self.recurring[name] = timer_rules.recurring_timer(campaign, customer.customer_id, last, effect.check_at)
        return effect

    def _unchanged(
        self,
        event_type: str,
        effects: Sequence[Effect],
        others: Sequence[tuple[Reason, CampaignSet]],
        triggered: CampaignSet,
    ) -> tuple[Outcome, Reason]:
        """The outcome and reason of an event that changed no timer: the highest-ranking reason among the campaigns
        ``triggered`` by its milestone."""
        if event_type in STOP_REASONS:
            return Outcome.NO_TIMER, Reason.NOTHING_TO_CANCEL
        reasons = {effect.reason for effect in effects} | {reason for reason, _ in others}
        if not reasons.isdisjoint(STOP_REASONS.values()):
            return Outcome.NO_TIMER, Reason.ALREADY_STOPPED
        found = {effect.reason for effect in effects if self._is_triggered(effect, triggered)}
        found.update(reason for reason, which in others if which & triggered)
        for reason in _UNCHANGED_BY_WEIGHT:
            if reason in found:
                # An event of the awaited milestone has arrived, so the order's other shipments are what is missing.
                awaited = reason is Reason.MILESTONE_AWAITED
                return Outcome.NO_TIMER, Reason.SHIPMENTS_AWAITED if awaited else reason
        return Outcome.NO_TIMER, Reason.NO_CAMPAIGN_MATCHES

    def _is_triggered(self, effect: Effect, triggered: CampaignSet) -> bool:
        number = self.campaigns.number_of(effect.campaign)
        return number is not None and bool(triggered >> number & 1)

    def _is_logged(self, effect: Effect, triggered: CampaignSet) -> bool:
        """By rank: what the event changed, why there can be no survey, and the state of the event's milestone."""
        return effect.change != "none" or effect.reason in _WHY_NEVER or self._is_triggered(effect, triggered)


def _changed(effects: Sequence[Effect]) -> tuple[Outcome, Reason] | None:
    """The outcome and reason of an event that changed a timer: a cancelled one outranks a set one, which outranks a
    moved one. None if it changed none."""
    highest: Effect | None = None
    for effect in effects:
        if effect.change != "none" and (highest is None or _RANK[effect.change] < _RANK[highest.change]):
            highest = effect
    return None if highest is None else (highest.outcome, highest.reason)


def _reason_of(campaign: CampaignSet, others: Iterable[tuple[Reason, CampaignSet]]) -> Reason:
    return next(reason for reason, which in others if which & campaign)


def _logged_of(
    others: Iterable[tuple[Reason, CampaignSet]], triggered: CampaignSet
) -> Sequence[tuple[Reason, CampaignSet]]:
    """As ``OrderBatch._is_logged``."""
    logged = ((reason, which if reason in _WHY_NEVER else which & triggered) for reason, which in others)
    return [(reason, which) for reason, which in logged if which]


def _why_not_in_force(event_type: str) -> Reason:
    """Why an order goes on that was cancelled or refunded (``OrderFacts.in_force``)."""
    return Reason.CANCELLATION_REVERSED if event_type == orders.CANCELLED else Reason.REFUNDED_IN_PART


_RANK = {"cancelled": 0, "set": 1, "moved": 2}
_UNCHANGED_BY_WEIGHT = (
    Reason.ERASED,
    Reason.NO_CHANGE,
    Reason.ALREADY_ASKED,
    Reason.TOO_LATE,
    Reason.NOT_IN_AUDIENCE,
    Reason.MILESTONE_AWAITED,
)
_WHY_NEVER = frozenset({Reason.TOO_LATE, Reason.NOT_IN_AUDIENCE, Reason.ERASED})
