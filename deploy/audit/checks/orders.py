"""Promise 4: each order event ended as one decision or one dead letter; and each timer is where the events put it."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from deploy.audit.facts import CampaignRule, DatabaseFacts, Decision, OrderTold, TopicFacts
from deploy.audit.report import Check
from shared.contracts.identity import timer_id as timer_id_of

WHOLE_ORDER = ""
DISPATCHER = "dispatcher"
ENDED_OTHERWISE = {"too_late", "not_in_audience", "erased", "campaign_inactive", "already_asked", "customer_changed"}
"""Reasons for which an order that reached its milestone has no timer, as the decision log gives them."""


def accounted_for(topics: TopicFacts, database: DatabaseFacts) -> Check:
    """Every distinct event of ``orders`` has exactly one decision row, or is a dead letter; no row is about nothing."""
    check = Check("order events accounted for", 4)
    rows = Counter(decision.event for decision in database.decisions if decision.event is not None)
    dead = {place for consumer, place in database.dead_letters if consumer == DISPATCHER}
    told: defaultdict[tuple[str, str], list[OrderTold]] = defaultdict(list)
    for event in topics.orders:
        told[event.identity].append(event)
    for identity, copies in told.items():
        check.compared += 1
        all_dead = all(copy.place in dead for copy in copies)
        if rows[identity] != (0 if all_dead else 1):
            check.differs(
                f"event {identity[1]} of {identity[0]} has {rows[identity]} decisions, dead letter: {all_dead}"
            )
    for place in topics.unreadable_orders - dead:
        check.differs(f"the unreadable record at {place} is no dead letter")
    if "orders" in topics.complete:
        for identity in rows.keys() - told.keys():
            check.differs(f"event {identity[1]} of {identity[0]} has a decision, and is not on orders")
    return check


def dead_letters_published(topics: TopicFacts, database: DatabaseFacts) -> Check:
    """What a service put aside is on its dead-letter topic, and nothing else is."""
    check = Check("dead letters published", 4)
    for consumer, place in database.dead_letters | topics.dead_letters:
        check.compared += 1
        if (consumer, place) not in topics.dead_letters:
            check.differs(f"{consumer}'s dead letter of {place} is not on its topic")
        if (consumer, place) not in database.dead_letters:
            check.differs(f"{consumer}'s dead-letter topic holds {place}, of which its ledger knows nothing")
    return check


@dataclass(slots=True)
class _Order:
    """What was told of an order, whatever the sequence it was told in."""

    happened: dict[str, datetime] = field(default_factory=dict)
    delivered: dict[str, datetime] = field(default_factory=dict)
    parcels: int = 1
    customer: tuple[datetime, str] | None = None
    promised: tuple[datetime, datetime] | None = None

    def take(self, event: OrderTold) -> None:
        at = event.occurred_at
        self.happened[event.type] = min(at, self.happened.get(event.type, at))
        self.customer = max(self.customer or (at, event.customer_id), (at, event.customer_id))
        if event.promised_at is not None:
            self.promised = max(self.promised or (at, event.promised_at), (at, event.promised_at))
        if event.shipment is not None:
            self.parcels = max(self.parcels, event.shipment[1])
        if event.type == "order.delivered":
            parcel = WHOLE_ORDER if event.shipment is None else event.shipment[0]
            self.delivered[parcel] = min(at, self.delivered.get(parcel, at))

    def milestone(self, name: str) -> datetime | None:
        if name == "order.promised":
            return self.promised[1] if self.promised else None
        if name != "order.delivered":
            return self.happened.get(name)
        parts = sorted(at for parcel, at in self.delivered.items() if parcel != WHOLE_ORDER)
        complete = [self.delivered[WHOLE_ORDER]] if WHOLE_ORDER in self.delivered else []
        if len(parts) >= self.parcels:
            complete.append(parts[self.parcels - 1])
        return min(complete, default=None)

    def due(self, campaign: CampaignRule) -> datetime | None:
        """When the campaign's question about this order is due; None when it is not, or not any more."""
        if any(stop in self.happened for stop in campaign.stop_on):
            return None
        reached = [(self.milestone(after), delay) for after, delay in campaign.triggers]
        return min((at + delay for at, delay in reached if at is not None), default=None)


def timers_recomputed(topics: TopicFacts, database: DatabaseFacts) -> Check:
    """Each order and campaign: a timer at the recomputed time, or a verdict about it, or a reason why there is none.

    Orders whose first events Kafka has already dropped cannot be recomputed; they are left out.
    """
    check = Check("timers recomputed", 4)
    if "orders" not in topics.complete:
        return check
    orders = fold(topics.orders, {place for consumer, place in database.dead_letters if consumer == DISPATCHER})
    pending = {timer.timer_id: timer for timer in database.timers}
    judged = {decision.timer_id for decision in database.decisions if _ended(decision)}
    excused = _excused(database)
    expected: set[str] = set()
    for order_id, order in orders.items():
        customer_id = order.customer[1] if order.customer else ""
        for campaign in database.campaigns.values():
            if not campaign.triggers or not campaign.active:
                continue
            check.compared += 1
            timer_id = timer_id_of(campaign.id, customer_id, order_id)
            due = order.due(campaign)
            timer = pending.get(timer_id)
            subject = f"{campaign.id} about order {order_id}"
            if due is None:
                if timer is not None:
                    check.differs(f"{subject}: a timer waits for {timer.due_at}, though nothing is due")
                continue
            expected.add(timer_id)
            if timer is not None and timer.milestone_at != due:
                check.differs(f"{subject}: due at {due}, its timer says {timer.milestone_at}")
            elif timer is None and timer_id not in judged and (order_id, campaign.id) not in excused:
                check.differs(f"{subject}: due at {due}, and there is neither a timer nor a verdict")
            elif timer is not None and timer_id in judged:
                check.differs(f"{subject}: a timer waits, though the verdict was given")
    for timer in database.timers:
        if timer.cause == "milestone" and timer.timer_id not in expected:
            check.differs(f"timer {timer.timer_id} of {timer.campaign} follows from no order event")
    return check


def _ended(decision: Decision) -> bool:
    """Whether a timer is gone for good with this: it came due, or its customer was erased while it waited."""
    return decision.outcome in ("sent", "skipped") or (decision.outcome, decision.reason) == (
        "timer_cancelled",
        "erased",
    )


def fold(events: Sequence[OrderTold], dead: set[tuple[str, int, int]]) -> Mapping[str, _Order]:
    """What was told of each order. Of an event that was published again, only the first counts, whatever it says."""
    orders: defaultdict[str, _Order] = defaultdict(_Order)
    heard: set[tuple[str, str]] = set()
    for event in sorted(events, key=lambda event: event.place):
        if event.place not in dead and event.identity not in heard:
            heard.add(event.identity)
            orders[event.order_id].take(event)
    return orders


def _excused(database: DatabaseFacts) -> set[tuple[str, str]]:
    """Orders and campaigns for which the log gives a reason to set no timer."""
    return {
        (decision.order_id, campaign)
        for decision in database.decisions
        if decision.order_id is not None
        for campaign, reason in decision.effects
        if reason in ENDED_OTHERWISE
    }
