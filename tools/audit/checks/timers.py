"""Promise 4: each timer is at the time that follows from the events, and each due survey has a timer or a verdict."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import itemgetter

from shared.contracts import orders, requests
from shared.contracts.identity import event_id as event_id_of
from shared.contracts.identity import timer_id as timer_id_of
from tools.audit.checks.endings import Endings
from tools.audit.checks.orders import DISPATCHER, dead_letters_of
from tools.audit.decision_log import DecisionLog
from tools.audit.facts import (
    BEGINNING_OF_TIME,
    CampaignRule,
    DatabaseFacts,
    OrderEvent,
    SurveyRequest,
    Timer,
    TopicFacts,
)
from tools.audit.records import Location
from tools.audit.report import Check

WHOLE_ORDER = ""
PROMISED = "order.promised"
"""A milestone of campaigns that no event reports: the moment for which delivery is promised."""


@dataclass(slots=True)
class _Order:
    """What is known about an order, independent of the order in which its events arrived."""

    happened: dict[str, datetime] = field(default_factory=dict)
    delivered: dict[str, datetime] = field(default_factory=dict)
    shipments: tuple[datetime, int] = (BEGINNING_OF_TIME, 1)
    customer: tuple[datetime, str] | None = None
    promised: tuple[datetime, datetime] | None = None
    endings: Endings = field(default_factory=Endings)

    def add(self, event: OrderEvent, said_at: datetime) -> None:
        """``said_at`` is when the event's details count from, which is not later than when it arrived."""
        at = event.occurred_at
        self.happened[event.type] = min(at, self.happened.get(event.type, at))
        self.customer = max(self.customer or (said_at, event.customer_id), (said_at, event.customer_id))
        self.endings.add(event.type, at, event.total, said_at)
        if event.promised_at is not None:
            self.promised = max(self.promised or (said_at, event.promised_at), (said_at, event.promised_at))
        if event.shipment is not None and event.shipment[1] is not None:
            self.shipments = max(self.shipments, (said_at, event.shipment[1]))
        if event.type == orders.DELIVERED:
            shipment = WHOLE_ORDER if event.shipment is None else event.shipment[0]
            self.delivered[shipment] = min(at, self.delivered.get(shipment, at))

    def milestone(self, name: str) -> datetime | None:
        if name == PROMISED:
            return self.promised[1] if self.promised else None
        if name != orders.DELIVERED:
            return self.happened.get(name)
        parts = sorted(at for shipment, at in self.delivered.items() if shipment != WHOLE_ORDER)
        complete = [self.delivered[WHOLE_ORDER]] if WHOLE_ORDER in self.delivered else []
        if len(parts) >= self.shipments[1]:
            complete.append(parts[self.shipments[1] - 1])
        return min(complete, default=None)

    def due(self, campaign: CampaignRule) -> datetime | None:
        """When the campaign's survey about this order is due; None when it is not, or no longer, due."""
        if any(stop in self.endings.in_force() for stop in campaign.stop_on):
            return None
        reached = [(self.milestone(after), delay) for after, delay in campaign.triggers]
        return min((at + delay for at, delay in reached if at is not None), default=None)


def timers_recomputed(topics: TopicFacts, database: DatabaseFacts, log: DecisionLog) -> Check:
    """Each order and campaign has a timer at the recomputed time, or a verdict, or a reason why there is no timer.

    Left out are orders of which Kafka has deleted events, and those without an event since the campaign was changed:
    the definition at the time is not recorded.
    """
    check = Check("timers recomputed", 4)
    handled_at = {decision.event: decision.decided_at for decision in database.decisions if decision.event is not None}
    folded = fold(topics.orders, dead_letters_of(DISPATCHER, database), handled_at)
    pending = {(timer.campaign, timer.order_id): timer for timer in database.timers if timer.cause == "milestone"}
    incomplete = _incomplete_orders(topics, database)
    campaigns = [campaign for campaign in database.campaigns.values() if campaign.triggers]
    for order_id, order in folded.items():
        last = log.last_event.get(order_id)
        for campaign in campaigns:
            timer = pending.pop((campaign.id, order_id), None)
            if timer is not None:
                _check_identity(check, timer, order.customer[1] if order.customer else None)
            if order_id in incomplete or last is None or last.decided_at < campaign.changed_at:
                check.left_out += 1
                continue
            check.compared += 1
            _compare(check, f"{campaign.id} about order {order_id}", order_id, order, campaign, timer, log)
    for timer in pending.values():
        if topics.complete(orders.TOPIC) or timer.campaign not in database.campaigns:
            check.add_difference(f"timer {timer.timer_id} of {timer.campaign} follows from no order event")
    return check


def surveys_were_due(topics: TopicFacts, database: DatabaseFacts, log: DecisionLog) -> Check:
    """Each survey about an order, or that somebody requested, was due when it says, by what was known when it was
    decided; and it was not decided before.

    Left out are the same as of timers, surveys under earlier versions of a campaign, and orders that changed hands.
    """
    check = Check("sent surveys were due", 1)
    handled = _handled_events(topics, database, log)
    incomplete = _incomplete_orders(topics, database)
    requested = _accepted_requests(topics, dead_letters_of(DISPATCHER, database), log)
    due: datetime | None
    for send_id, sent in database.sends.items():
        verdict = log.verdicts.get(sent.timer_id or "")
        campaign = database.campaigns.get(sent.campaign)
        if verdict is None or campaign is None:
            continue  # Both are differences of other checks.
        of_request = [(at, request) for at, request in requested.get(sent.timer_id or "", ()) if at < verdict.position]
        if of_request:
            due = max(of_request, key=itemgetter(0))[1].not_before
        elif sent.order_id is None or not campaign.triggers:
            continue  # Recurring, or requested so long ago that the request is gone.
        else:
            known = [each for each in handled.get(sent.order_id, ()) if each[0] < verdict.position]
            if (
                not known
                or sent.order_id in incomplete
                or sent.campaign_version != campaign.version
                or known[-1][2] < campaign.changed_at
                or sent.timer_id
                != timer_id_of(campaign=sent.campaign, customer_id=sent.customer_id or "", order_id=sent.order_id)
                or len({event.customer_id for _, event, _ in known}) > 1
            ):
                check.left_out += 1
                continue
            order = _Order()
            for _, event, decided_at in known:
                order.add(event, min(event.occurred_at, decided_at))
            due = order.due(campaign)
        subject = f"send {send_id} of {sent.campaign}"
        check.expect_equal(f"{subject}, when it was due", expected=due, found=sent.due_at)
        if sent.sent_at < sent.due_at:
            check.add_difference(f"{subject}: decided at {sent.sent_at}, but due at {sent.due_at}")
    return check


def _handled_events(
    topics: TopicFacts, database: DatabaseFacts, log: DecisionLog
) -> Mapping[str, list[tuple[int, OrderEvent, datetime]]]:
    """Each order's events, as they were handled: position, event and time. Of copies, the first."""
    dead = dead_letters_of(DISPATCHER, database)
    found: defaultdict[str, dict[tuple[str, str], tuple[int, OrderEvent, datetime]]] = defaultdict(dict)
    for event in sorted(topics.orders, key=lambda event: event.location):
        decision = log.by_event.get(event.identity)
        if event.location not in dead and decision is not None:
            found[event.order_id].setdefault(event.identity, (decision.position, event, decision.decided_at))
    return {order_id: sorted(events.values(), key=itemgetter(0)) for order_id, events in found.items()}


def _compare(
    check: Check,
    subject: str,
    order_id: str,
    order: _Order,
    campaign: CampaignRule,
    timer: Timer | None,
    log: DecisionLog,
) -> None:
    due = order.due(campaign) if campaign.active else None
    settled = (order_id, campaign.id) in log.settled
    if timer is None:
        if due is not None and not settled and (order_id, campaign.id) not in log.no_timer_expected:
            check.add_difference(f"{subject}: due at {due}, but has neither a timer nor a verdict")
    elif settled:
        check.add_difference(f"{subject}: still has a timer after its verdict")
    elif due is None:
        check.add_difference(f"{subject}: has a timer for {timer.check_at}, but nothing is due")
    elif timer.due_at != due:
        check.add_difference(f"{subject}: due at {due}, but its timer says {timer.due_at}")
    else:
        check_at = log.check_at(timer, log.timer_set_at.get((order_id, campaign.id), 0))
        if timer.check_at != check_at:
            check.add_difference(f"{subject}: to be checked at {check_at}, but its timer says {timer.check_at}")


def _check_identity(check: Check, timer: Timer, customer_id: str | None) -> None:
    """A timer's id is derived from its subject, so its fields must match it."""
    expected = timer_id_of(
        campaign=timer.campaign, customer_id=timer.customer_id, order_id=timer.order_id, occurrence=timer.occurrence
    )
    if timer.timer_id != expected or (customer_id is not None and timer.customer_id != customer_id):
        check.add_difference(f"timer {timer.timer_id} of {timer.campaign} has an id that does not match its fields")


def _incomplete_orders(topics: TopicFacts, database: DatabaseFacts) -> set[str]:
    """Orders with a decision about an event that Kafka no longer retains."""
    if topics.complete(orders.TOPIC):
        return set()
    retained = {event.identity for event in topics.orders}
    return {
        decision.order_id
        for decision in database.decisions
        if decision.order_id is not None
        and decision.event is not None
        and decision.event_type != requests.REQUESTED
        and decision.event not in retained
    }


def fold(
    events: Sequence[OrderEvent], dead: set[Location], handled_at: Mapping[tuple[str, str], datetime]
) -> Mapping[str, _Order]:
    """What is known about each order. Of duplicates of an event only the first counts, even if they differ.

    ``handled_at`` is when the dispatcher handled an event, by its identity.
    """
    folded: defaultdict[str, _Order] = defaultdict(_Order)
    seen: set[tuple[str, str]] = set()
    for event in sorted(events, key=lambda event: event.location):
        if event.location not in dead and event.identity not in seen:
            seen.add(event.identity)
            said_at = min(event.occurred_at, handled_at.get(event.identity, event.occurred_at))
            folded[event.order_id].add(event, said_at)
    return folded


def _accepted_requests(
    topics: TopicFacts, dead: set[Location], log: DecisionLog
) -> Mapping[str, list[tuple[int, SurveyRequest]]]:
    """The requests of each timer that were accepted, with the positions of the decisions.

    A decision found by an event's id is not about a dead letter that used the id again.
    """
    accepted: defaultdict[str, list[tuple[int, SurveyRequest]]] = defaultdict(list)
    for request in topics.requests:
        decision = log.by_event.get(request.identity)
        if decision is not None and decision.outcome == "timer_set" and request.location not in dead:
            timer_id = event_id_of("timer.requested", request.requested_by, request.request_id)
            accepted[timer_id].append((decision.position, request))
    return accepted


def requests_recomputed(topics: TopicFacts, database: DatabaseFacts, log: DecisionLog) -> Check:
    """Each accepted request has a timer at the requested time, or a verdict; each such timer has a request."""
    check = Check("requested surveys recomputed", 4)
    pending = {timer.timer_id: timer for timer in database.timers if timer.cause == "request"}
    for timer_id, accepted in _accepted_requests(topics, dead_letters_of(DISPATCHER, database), log).items():
        # Duplicates of a request are one survey, at the time requested last.
        position, request = max(accepted, key=itemgetter(0))
        check.compared += 1
        timer = pending.pop(timer_id, None)
        subject = f"request {request.request_id}"
        if timer is None:
            ended = log.verdicts.get(timer_id) or log.cancelled.get(timer_id)
            if ended is None or ended.position < position:
                check.add_difference(f"{subject} was accepted, but has neither a timer nor a verdict")
            continue
        requested = request.campaign, request.customer_id, request.order_id, request.not_before
        if (timer.campaign, timer.customer_id, timer.order_id, timer.due_at) != requested:
            check.add_difference(f"{subject}: its timer {timer_id} does not match the request")
        elif timer.check_at != log.check_at(timer, position):
            check.add_difference(
                f"{subject}: to be checked at {log.check_at(timer, position)}, but its timer says {timer.check_at}"
            )
    for timer in pending.values():
        if topics.complete(requests.TOPIC):
            check.add_difference(f"timer {timer.timer_id} of {timer.campaign} follows from no request")
    return check
