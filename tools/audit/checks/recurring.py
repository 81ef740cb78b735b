"""Promise 4, for campaigns that ask the same customers again and again: one timer each, the right time after the last.

The first comes so long after the customer's first order event, each later one so long after the one before came due,
as long as the customer still orders. All of that is in the decision log, which keeps what Kafka forgets; whose event
it was is told by ``orders`` where that still has it.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.contracts.identity import timer_id as timer_id_of
from tools.audit.facts import CampaignRule, DatabaseFacts, Decision, Timer, TopicFacts
from tools.audit.log import REQUESTED, Log
from tools.audit.report import Check

PLACED = "order.placed"
STOPS = frozenset({"order.cancelled", "order.refunded", "order.returned"})
NOTHING_YET = 0
"""Before the first position of the log."""

Asked = tuple[int, Decision]
"""The number of the last asking that came to its verdict, with the verdict."""


@dataclass(frozen=True, slots=True)
class Heard:
    """An order event that was taken in, with the customer who was named in it."""

    customer_id: str
    order_id: str
    type: str
    occurred_at: datetime
    decision: Decision


@dataclass(frozen=True, slots=True)
class Expected:
    """The timer there must be: the ``occurrence``-th of a customer, set or moved last at position ``set_at``."""

    occurrence: int
    milestone_at: datetime
    set_at: int


def recurring_recomputed(topics: TopicFacts, database: DatabaseFacts, log: Log) -> Check:
    """Each customer and recurring campaign: the one timer that follows from their orders and from the last asking.

    Left out are customers who were erased and came back, those who share an order with somebody else, and those not
    heard of since the campaign was changed.
    """
    check = Check("recurring timers recomputed", 4)
    pending: defaultdict[tuple[str, str], list[Timer]] = defaultdict(list)
    for timer in database.timers:
        if timer.cause == "recurrence":
            pending[timer.campaign, timer.customer_id].append(timer)
    heard = _heard(topics, database)
    erased = {**database.erased_customers, **topics.erased_customers}
    shared = _customers_of_shared_orders(heard)
    recurring = [campaign for campaign in database.campaigns.values() if campaign.every is not None]
    for customer_id, events in heard.items():
        for campaign in recurring:
            found = pending.pop((campaign.id, customer_id), [])
            subject = f"{campaign.id} of customer {customer_id}"
            if len(found) > 1:
                check.differs(f"{subject}: {len(found)} timers wait at once")
            asked = _last_asked(campaign, customer_id, log)
            came_due = (asked[0], asked[1].decided_at) if asked else None
            remembered = database.recurrences.get((campaign.id, customer_id))
            if remembered != came_due:
                check.differs(f"{subject}: came due last as {came_due}, which is remembered as {remembered}")
            if customer_id in erased:
                _of_erased(check, subject, found, events, erased[customer_id])
            elif customer_id in shared or not _under_present_rule(campaign, events, asked):
                check.left_out += 1
            else:
                check.compared += 1
                _compare(check, subject, campaign, customer_id, found, expected(campaign, events, asked), log)
    for (campaign_id, customer_id), timers in pending.items():
        if topics.complete("orders") or campaign_id not in database.campaigns:
            check.differs(
                f"timer {timers[0].timer_id} of {campaign_id} follows from nothing customer {customer_id} did"
            )
    return check


def expected(campaign: CampaignRule, events: Sequence[Heard], asked: Asked | None) -> Expected | None:
    """The timer there must be; None when there must be none. ``events`` are in the order they were taken in, ``asked``
    is the last asking, if there was any."""
    if campaign.every is None or not campaign.active:
        return None
    occurrence, fired = asked if asked is not None else (0, None)
    since = NOTHING_YET if fired is None else fired.position
    heard_since = [event for event in events if event.decision.position > since]
    if heard_since:
        # Every event of the customer's plans anew, by the time it was taken in at.
        planned_at, start = heard_since[-1].decision.decided_at, fired.decided_at if fired else _first(events)
    elif fired is not None and _ordered_lately(campaign, events, fired):
        planned_at = start = fired.decided_at
    else:
        return None
    milestone_at = start + campaign.every
    overdue = planned_at - campaign.valid_for - milestone_at
    if overdue > timedelta(0):
        milestone_at += -(-overdue // campaign.every) * campaign.every
    return Expected(occurrence + 1, milestone_at, _set_at(campaign, heard_since, since))


def _compare(
    check: Check,
    subject: str,
    campaign: CampaignRule,
    customer_id: str,
    found: Sequence[Timer],
    wanted: Expected | None,
    log: Log,
) -> None:
    if wanted is None:
        if found:
            check.differs(f"{subject}: a timer waits for {found[0].due_at}, though nothing is due")
        return
    if not found:
        check.differs(f"{subject}: due at {wanted.milestone_at}, and there is no timer")
        return
    timer = found[0]
    timer_id = timer_id_of(campaign.id, customer_id, None, wanted.occurrence)
    if (timer.timer_id, timer.occurrence, timer.order_id) != (timer_id, wanted.occurrence, None):
        check.differs(f"{subject}: its timer {timer.timer_id} is not the asking number {wanted.occurrence}")
    elif timer.milestone_at != wanted.milestone_at:
        check.differs(f"{subject}: due at {wanted.milestone_at}, its timer says {timer.milestone_at}")
    elif timer.due_at != log.due_at(timer, wanted.set_at):
        check.differs(f"{subject}: to be looked at {log.due_at(timer, wanted.set_at)}, its timer says {timer.due_at}")


def _of_erased(
    check: Check, subject: str, found: Sequence[Timer], events: Sequence[Heard], erased_at: datetime
) -> None:
    """Whoever was erased and did not come back is not asked again."""
    if any(event.occurred_at > erased_at for event in events):
        check.left_out += 1
        return
    check.compared += 1
    if found:
        check.differs(f"{subject}: a timer waits for {found[0].due_at}, though the customer was erased")


def _heard(topics: TopicFacts, database: DatabaseFacts) -> Mapping[str, list[Heard]]:
    """The order events of each customer, in the order they were taken in."""
    tellers = {event.identity: event.customer_id for event in topics.orders}
    heard: defaultdict[str, list[Heard]] = defaultdict(list)
    for decision in database.decisions:
        if (
            decision.event is None
            or decision.order_id is None
            or decision.occurred_at is None
            or decision.event_type in (None, REQUESTED)
        ):
            continue
        customer_id = tellers.get(decision.event, decision.customer_id)
        heard[customer_id].append(
            Heard(customer_id, decision.order_id, decision.event_type, decision.occurred_at, decision)
        )
    return heard


def _customers_of_shared_orders(heard: Mapping[str, Sequence[Heard]]) -> set[str]:
    """Where an order changed hands, what one customer ordered depends on what the other was told to have."""
    owners: defaultdict[str, set[str]] = defaultdict(set)
    for customer_id, events in heard.items():
        for event in events:
            owners[event.order_id].add(customer_id)
    return {customer_id for sharing in owners.values() if len(sharing) > 1 for customer_id in sharing}


def _under_present_rule(campaign: CampaignRule, events: Sequence[Heard], asked: Asked | None) -> bool:
    """Whether the campaign was as it is now when the customer's timer was planned last."""
    moments = [events[-1].decision.decided_at] + ([asked[1].decided_at] if asked else [])
    return max(moments) >= campaign.changed_at


def _last_asked(campaign: CampaignRule, customer_id: str, log: Log) -> Asked | None:
    """None before the first asking came due."""
    last = None
    occurrence = 1
    while verdict := log.verdicts.get(timer_id_of(campaign.id, customer_id, None, occurrence)):
        last = occurrence, verdict
        occurrence += 1
    return last


def _ordered_lately(campaign: CampaignRule, events: Sequence[Heard], fired: Decision) -> bool:
    """Whether, when the last asking came due, the customer's newest order that was not stopped was recent enough."""
    known = [event for event in events if event.decision.position < fired.position]
    stopped = {event.order_id for event in known if event.type in STOPS}
    placed: dict[str, datetime] = {}
    first_heard: dict[str, datetime] = {}
    for event in known:
        for moments in (first_heard, placed) if event.type == PLACED else (first_heard,):
            moments[event.order_id] = min(event.occurred_at, moments.get(event.order_id, event.occurred_at))
    ordered_at = [at for order_id, at in {**first_heard, **placed}.items() if order_id not in stopped]
    return bool(ordered_at) and max(ordered_at) + campaign.active_within >= fired.decided_at


def _set_at(campaign: CampaignRule, heard_since: Sequence[Heard], since: int) -> int:
    """The position at which the timer was set or moved last: by an event, or when the asking before came due."""
    return max(
        (
            event.decision.position
            for event in heard_since
            for effect in event.decision.effects
            if effect.campaign == campaign.id and effect.change in ("set", "moved")
        ),
        default=since,
    )


def _first(events: Sequence[Heard]) -> datetime:
    return min(event.occurred_at for event in events)
