"""Promise 4: each timer is where the events put it, and nothing that came due is without a timer or a verdict."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import itemgetter

from shared.contracts.identity import event_id as event_id_of
from shared.contracts.identity import timer_id as timer_id_of
from tools.audit.checks.orders import DISPATCHER, dead_letters_of
from tools.audit.facts import CampaignRule, DatabaseFacts, OrderTold, RequestTold, Timer, TopicFacts
from tools.audit.log import REQUESTED, Log
from tools.audit.report import Check

WHOLE_ORDER = ""


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


def timers_recomputed(topics: TopicFacts, database: DatabaseFacts, log: Log) -> Check:
    """Each order and campaign: a timer at the recomputed time, or a verdict about it, or a reason why there is none.

    Left out are orders some of whose events Kafka has dropped, and those last heard of before their campaign was
    changed: what held for them then is written down nowhere.
    """
    check = Check("timers recomputed", 4)
    orders = fold(topics.orders, dead_letters_of(DISPATCHER, database))
    pending = {(timer.campaign, timer.order_id): timer for timer in database.timers if timer.cause == "milestone"}
    partly_told = _partly_told(topics, database)
    asking = [campaign for campaign in database.campaigns.values() if campaign.triggers]
    for order_id, order in orders.items():
        last = log.last_event.get(order_id)
        for campaign in asking:
            timer = pending.pop((campaign.id, order_id), None)
            if timer is not None:
                _well_named(check, timer, order.customer[1] if order.customer else None)
            if order_id in partly_told or last is None or last.decided_at < campaign.changed_at:
                check.left_out += 1
                continue
            check.compared += 1
            _compare(check, f"{campaign.id} about order {order_id}", order_id, order, campaign, timer, log)
    for timer in pending.values():
        if topics.complete("orders") or timer.campaign not in database.campaigns:
            check.differs(f"timer {timer.timer_id} of {timer.campaign} follows from no order event")
    return check


def _compare(
    check: Check, subject: str, order_id: str, order: _Order, campaign: CampaignRule, timer: Timer | None, log: Log
) -> None:
    due = order.due(campaign) if campaign.active else None
    through = (order_id, campaign.id) in log.through
    if timer is None:
        if due is not None and not through and (order_id, campaign.id) not in log.never_asked:
            check.differs(f"{subject}: due at {due}, and there is neither a timer nor a verdict")
    elif through:
        check.differs(f"{subject}: a timer waits, though the verdict was given")
    elif due is None:
        check.differs(f"{subject}: a timer waits for {timer.due_at}, though nothing is due")
    elif timer.milestone_at != due:
        check.differs(f"{subject}: due at {due}, its timer says {timer.milestone_at}")
    else:
        looked_at = log.due_at(timer, log.set_at.get((order_id, campaign.id), 0))
        if timer.due_at != looked_at:
            check.differs(f"{subject}: to be looked at {looked_at}, its timer says {timer.due_at}")


def _well_named(check: Check, timer: Timer, customer_id: str | None) -> None:
    """A timer's id is made of what it is about: what it says of that must be the same."""
    named = timer_id_of(timer.campaign, timer.customer_id, timer.order_id, timer.occurrence)
    if timer.timer_id != named or (customer_id is not None and timer.customer_id != customer_id):
        check.differs(f"timer {timer.timer_id} of {timer.campaign} is not about whom or what its id says")


def _partly_told(topics: TopicFacts, database: DatabaseFacts) -> set[str]:
    """Orders with a decision about an event that Kafka does not keep any more."""
    if topics.complete("orders"):
        return set()
    told = {event.identity for event in topics.orders}
    return {
        decision.order_id
        for decision in database.decisions
        if decision.order_id is not None
        and decision.event is not None
        and decision.event_type != REQUESTED
        and decision.event not in told
    }


def fold(events: Sequence[OrderTold], dead: set[tuple[str, int, int]]) -> Mapping[str, _Order]:
    """What was told of each order. Of an event that was published again, only the first counts, whatever it says."""
    orders: defaultdict[str, _Order] = defaultdict(_Order)
    heard: set[tuple[str, str]] = set()
    for event in sorted(events, key=lambda event: event.place):
        if event.place not in dead and event.identity not in heard:
            heard.add(event.identity)
            orders[event.order_id].take(event)
    return orders


def requests_recomputed(topics: TopicFacts, database: DatabaseFacts, log: Log) -> Check:
    """Each request that was taken up has a timer at the time it names, or a verdict; no such timer is about nothing."""
    check = Check("requested surveys recomputed", 4)
    pending = {timer.timer_id: timer for timer in database.timers if timer.cause == "request"}
    taken_up: dict[str, tuple[int, RequestTold]] = {}
    for request in topics.requests:
        decision = log.of_event.get(request.identity)
        if decision is not None and decision.outcome == "timer_set":
            # The same request made twice is one survey, at the time that was named last.
            timer_id = event_id_of("timer.requested", request.request_id)
            taken_up[timer_id] = max(
                taken_up.get(timer_id, (0, request)), (decision.position, request), key=itemgetter(0)
            )
    for timer_id, (position, request) in taken_up.items():
        check.compared += 1
        timer = pending.pop(timer_id, None)
        subject = f"request {request.request_id}"
        if timer is None:
            ended = log.verdicts.get(timer_id) or log.cancelled.get(timer_id)
            if ended is None or ended.position < position:
                check.differs(f"{subject} was taken up, and there is neither a timer nor a verdict")
            continue
        wanted = request.campaign, request.customer_id, request.order_id, request.not_before
        if (timer.campaign, timer.customer_id, timer.order_id, timer.milestone_at) != wanted:
            check.differs(f"{subject}: its timer {timer_id} is about something else")
        elif timer.due_at != log.due_at(timer, position):
            check.differs(f"{subject}: to be looked at {log.due_at(timer, position)}, its timer says {timer.due_at}")
    for timer in pending.values():
        if topics.complete("surveys.requests"):
            check.differs(f"timer {timer.timer_id} of {timer.campaign} follows from no request")
    return check
