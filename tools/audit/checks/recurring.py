"""Promise 4 for recurring campaigns: each customer has one timer, at the right interval after the last one.

The first occurrence is due one interval after the customer's first order event, each later one after the previous one
fired, as long as the customer still orders. All of that is in the decision log, which outlives the events in Kafka;
``orders``, where it still has the event, says which customer it was about.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count

from shared.contracts import orders
from shared.contracts.identity import timer_id as timer_id_of
from shared.contracts.requests import REQUESTED
from shared.guests import PREFIX as GUEST_PREFIX
from tools.audit.checks.endings import Endings, Total
from tools.audit.decision_log import DecisionLog
from tools.audit.facts import CampaignRule, DatabaseFacts, Decision, Timer, TopicFacts
from tools.audit.report import Check

LOG_START = 0
"""Before the log's first position."""

PastOccurrence = tuple[int, Decision]
"""The number of the last occurrence that has a verdict, and the verdict."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerEvent:
    """A handled order event, with the customer it names."""

    customer_id: str
    order_id: str
    type: str
    occurred_at: datetime
    decision: Decision
    total: Total | None = None

    @property
    def said_at(self) -> datetime:
        """When its details count from: not later than when it was handled."""
        return min(self.occurred_at, self.decision.decided_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedTimer:
    """The timer of a customer's ``occurrence``-th survey, last set or moved at position ``set_at``."""

    occurrence: int
    due_at: datetime
    set_at: int


def recurring_recomputed(topics: TopicFacts, database: DatabaseFacts, log: DecisionLog) -> Check:
    """Each customer has the one timer per recurring campaign that follows from their orders and the last occurrence.

    Left out are customers who were erased and returned, those who share an order with another customer, those whose id
    turned out to be several people's, and those without an event since the campaign was changed.
    """
    check = Check("recurring timers recomputed", 4)
    pending: defaultdict[tuple[str, str], list[Timer]] = defaultdict(list)
    for timer in database.timers:
        if timer.cause == "recurrence":
            pending[timer.campaign, timer.customer_id].append(timer)
    events_by_customer = _events_by_customer(topics, database)
    erased = {**database.erased_customers, **topics.erased_customers}
    shared = _customers_of_shared_orders(events_by_customer) | database.shared_ids
    recurring = [campaign for campaign in database.campaigns.values() if campaign.every is not None]
    for customer_id, events in events_by_customer.items():
        for campaign in recurring:
            found = pending.pop((campaign.id, customer_id), [])
            subject = f"{campaign.id} of customer {customer_id}"
            if len(found) > 1:
                check.add_difference(f"{subject}: has {len(found)} timers at once")
            last = _last_occurrence(campaign, customer_id, log)
            fired_last = (last[0], last[1].decided_at) if last else None
            recorded = database.recurrences.get((campaign.id, customer_id))
            if recorded != fired_last:
                check.add_difference(f"{subject}: last fired as {fired_last}, but recorded as {recorded}")
            if customer_id in erased:
                _check_erased(check, subject, found, events, erased[customer_id])
            elif customer_id in shared or not _planned_under_current_version(campaign, events, last):
                check.left_out += 1
            else:
                check.compared += 1
                _compare(check, subject, campaign, customer_id, found, expected_timer(campaign, events, last), log)
    for (campaign_id, customer_id), timers in pending.items():
        if topics.complete(orders.TOPIC) or campaign_id not in database.campaigns:
            check.add_difference(
                f"timer {timers[0].timer_id} of {campaign_id} follows from no event of customer {customer_id}"
            )
    return check


def expected_timer(
    campaign: CampaignRule, events: Sequence[CustomerEvent], last: PastOccurrence | None
) -> ExpectedTimer | None:
    """The timer the customer must have, or None. ``events`` are in the order they were handled."""
    if campaign.every is None or not campaign.active:
        return None
    occurrence, fired = last if last is not None else (0, None)
    since = LOG_START if fired is None else fired.position
    events_since = [event for event in events if event.decision.position > since]
    if events_since:
        # Each of the customer's events plans the timer again, based on the time it was handled.
        planned_at, start = events_since[-1].decision.decided_at, fired.decided_at if fired else _first_event_at(events)
    elif fired is not None and _ordered_recently(campaign, events, fired):
        planned_at = start = fired.decided_at
    else:
        return None
    due_at = start + campaign.every
    overdue = planned_at - campaign.valid_for - due_at
    if overdue > timedelta(0):
        due_at += -(-overdue // campaign.every) * campaign.every
    return ExpectedTimer(occurrence=occurrence + 1, due_at=due_at, set_at=_set_at(campaign, events_since, since))


def surveys_were_due(topics: TopicFacts, database: DatabaseFacts, log: DecisionLog) -> Check:
    """Each recurring survey was due when it says, by what was known when it was decided; and it was not decided before.

    Left out are the same customers as of timers, and surveys under earlier versions of a campaign.
    """
    check = Check("sent recurring surveys were due", 1)
    events_by_customer = _events_by_customer(topics, database)
    not_recomputed = _customers_of_shared_orders(events_by_customer) | database.shared_ids
    not_recomputed |= database.erased_customers.keys() | topics.erased_customers.keys()
    for send_id, sent in database.sends.items():
        campaign, customer_id = database.campaigns.get(sent.campaign), sent.customer_id or ""
        verdict = log.verdicts.get(sent.timer_id or "")
        if campaign is None or campaign.every is None or sent.order_id is not None or verdict is None:
            continue
        last = _occurrence_before(campaign, customer_id, verdict, log)
        events = [each for each in events_by_customer.get(customer_id, ()) if each.decision.position < verdict.position]
        if (
            not events
            or customer_id in not_recomputed
            or sent.campaign_version != campaign.version
            or not _planned_under_current_version(campaign, events, last)
        ):
            check.left_out += 1
            continue
        expected = expected_timer(campaign, events, last)
        subject = f"send {send_id} of {sent.campaign}"
        check.expect_equal(
            f"{subject}, when it was due", expected=expected.due_at if expected else None, found=sent.due_at
        )
        if sent.sent_at < sent.due_at:
            check.add_difference(f"{subject}: decided at {sent.sent_at}, but due at {sent.due_at}")
    return check


def _occurrence_before(
    campaign: CampaignRule, customer_id: str, verdict: Decision, log: DecisionLog
) -> PastOccurrence | None:
    """The occurrence before the one with this verdict."""
    last = None
    for occurrence in count(1):
        timer_id = timer_id_of(campaign=campaign.id, customer_id=customer_id, order_id=None, occurrence=occurrence)
        found = log.verdicts.get(timer_id)
        if found is None or found.position >= verdict.position:
            return last
        last = occurrence, found
    return last


def _compare(
    check: Check,
    subject: str,
    campaign: CampaignRule,
    customer_id: str,
    found: Sequence[Timer],
    expected: ExpectedTimer | None,
    log: DecisionLog,
) -> None:
    if expected is None:
        if found:
            check.add_difference(f"{subject}: has a timer for {found[0].check_at}, but nothing is due")
        return
    if not found:
        check.add_difference(f"{subject}: due at {expected.due_at}, but has no timer")
        return
    timer = found[0]
    timer_id = timer_id_of(campaign=campaign.id, customer_id=customer_id, order_id=None, occurrence=expected.occurrence)
    if (timer.timer_id, timer.occurrence, timer.order_id) != (timer_id, expected.occurrence, None):
        check.add_difference(f"{subject}: its timer {timer.timer_id} is not occurrence {expected.occurrence}")
    elif timer.due_at != expected.due_at:
        check.add_difference(f"{subject}: due at {expected.due_at}, but its timer says {timer.due_at}")
    elif timer.check_at != log.check_at(timer, expected.set_at):
        check.add_difference(
            f"{subject}: to be checked at {log.check_at(timer, expected.set_at)}, but its timer says {timer.check_at}"
        )


def _check_erased(
    check: Check, subject: str, found: Sequence[Timer], events: Sequence[CustomerEvent], erased_at: datetime
) -> None:
    """A customer who was erased and did not return has no timer."""
    if any(event.occurred_at > erased_at for event in events):
        check.left_out += 1
        return
    check.compared += 1
    if found:
        check.add_difference(f"{subject}: has a timer for {found[0].check_at}, but the customer was erased")


def _events_by_customer(topics: TopicFacts, database: DatabaseFacts) -> Mapping[str, list[CustomerEvent]]:
    """Each customer's order events, in the order they were handled."""
    customer_of = {event.identity: event.customer_id for event in topics.orders}
    total_of = {event.identity: event.total for event in topics.orders}
    events_by_customer: defaultdict[str, list[CustomerEvent]] = defaultdict(list)
    for decision in database.decisions:
        if (
            decision.event is None
            or decision.order_id is None
            or decision.occurred_at is None
            or decision.event_type in (None, REQUESTED)
        ):
            continue
        customer_id = customer_of.get(decision.event, decision.customer_id)
        if decision.customer_id.startswith(GUEST_PREFIX):
            # The event names an id that several people share.
            customer_id = decision.customer_id
        events_by_customer[customer_id].append(
            CustomerEvent(
                customer_id=customer_id,
                order_id=decision.order_id,
                type=decision.event_type,
                occurred_at=decision.occurred_at,
                decision=decision,
                total=total_of.get(decision.event),
            )
        )
    return events_by_customer


def _customers_of_shared_orders(events_by_customer: Mapping[str, Sequence[CustomerEvent]]) -> set[str]:
    """Customers of orders that moved between customers: what one of them ordered then depends on the other's events."""
    customers_of_order: defaultdict[str, set[str]] = defaultdict(set)
    for customer_id, events in events_by_customer.items():
        for event in events:
            customers_of_order[event.order_id].add(customer_id)
    return {customer_id for customers in customers_of_order.values() if len(customers) > 1 for customer_id in customers}


def _planned_under_current_version(
    campaign: CampaignRule, events: Sequence[CustomerEvent], last: PastOccurrence | None
) -> bool:
    """Whether the campaign's current version was active when the customer's timer was last planned."""
    moments = [events[-1].decision.decided_at] + ([last[1].decided_at] if last else [])
    return max(moments) >= campaign.changed_at


def _last_occurrence(campaign: CampaignRule, customer_id: str, log: DecisionLog) -> PastOccurrence | None:
    """None before the first occurrence fired."""
    last = None
    occurrence = 1
    while verdict := log.verdicts.get(
        timer_id_of(campaign=campaign.id, customer_id=customer_id, order_id=None, occurrence=occurrence)
    ):
        last = occurrence, verdict
        occurrence += 1
    return last


def _ordered_recently(campaign: CampaignRule, events: Sequence[CustomerEvent], fired: Decision) -> bool:
    """Whether the customer's newest order that was not stopped was recent enough when the last occurrence fired."""
    known = [event for event in events if event.decision.position < fired.position]
    endings: defaultdict[str, Endings] = defaultdict(Endings)
    for event in known:
        endings[event.order_id].add(event.type, event.occurred_at, event.total, event.said_at)
    stopped = {order_id for order_id, ended in endings.items() if ended.in_force()}
    placed: dict[str, datetime] = {}
    first_event_at: dict[str, datetime] = {}
    for event in known:
        first_event_at[event.order_id] = min(event.said_at, first_event_at.get(event.order_id, event.said_at))
        if event.type == orders.PLACED:
            placed[event.order_id] = min(event.occurred_at, placed.get(event.order_id, event.occurred_at))
    ordered_at = [at for order_id, at in {**first_event_at, **placed}.items() if order_id not in stopped]
    return bool(ordered_at) and max(ordered_at) + campaign.active_within >= fired.decided_at


def _set_at(campaign: CampaignRule, events_since: Sequence[CustomerEvent], since: int) -> int:
    """The position at which the timer was last set or moved: by an event, or when the previous occurrence fired."""
    return max(
        (
            event.decision.position
            for event in events_since
            for effect in event.decision.effects
            if effect.campaign == campaign.id and effect.change in ("set", "moved")
        ),
        default=since,
    )


def _first_event_at(events: Sequence[CustomerEvent]) -> datetime:
    return min(event.said_at for event in events)
