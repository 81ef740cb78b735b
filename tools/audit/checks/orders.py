"""Promise 4: each order event, and each request for a survey, ended as one decision or one dead letter."""

from collections import defaultdict

from shared.contracts.topics import CONSUMED_BY
from tools.audit.facts import DatabaseFacts, Decision, OrderTold, Place, RequestTold, TopicFacts
from tools.audit.log import REQUESTED
from tools.audit.report import Check

DISPATCHER = "dispatcher"


def accounted_for(topics: TopicFacts, database: DatabaseFacts) -> Check:
    """Every distinct event has exactly one decision row, which says what it was about, or is a dead letter; no row is
    about nothing."""
    check = Check("order events accounted for", 4)
    rows: defaultdict[tuple[str, str], list[Decision]] = defaultdict(list)
    for decision in database.decisions:
        if decision.event is not None:
            rows[decision.event].append(decision)
    dead = dead_letters_of(DISPATCHER, database)
    told: defaultdict[tuple[str, str], list[OrderTold | RequestTold]] = defaultdict(list)
    events: list[OrderTold | RequestTold] = [*topics.orders, *topics.requests]
    for event in events:
        told[event.identity].append(event)
    for identity, copies in told.items():
        check.compared += 1
        all_dead = all(copy.place in dead for copy in copies)
        subject = f"event {identity[1]} of {identity[0]}"
        decisions = rows.get(identity, [])
        if len(decisions) != (0 if all_dead else 1):
            check.differs(f"{subject} has {len(decisions)} decisions, dead letter: {all_dead}")
        for decision in decisions:
            if all(_gist(decision) != _told(copy) for copy in copies):
                check.differs(f"{subject} has a decision about something else than what was told")
            if not _outcome_fits(decision):
                check.differs(f"{subject} is said to be {decision.outcome}, which is not what it did to the timers")
    for identity, decisions in rows.items():
        topic = "surveys.requests" if decisions[0].event_type == REQUESTED else "orders"
        if identity not in told and topics.complete(topic):
            check.differs(f"event {identity[1]} of {identity[0]} has a decision, and is not on {topic}")
    return check


def unreadable_put_aside(topics: TopicFacts, database: DatabaseFacts) -> Check:
    """What cannot be read is a dead letter of every service that reads the topic. Of a topic none of them reads,
    nothing may be unreadable: what is there, Hearback published."""
    check = Check("unreadable records put aside", 4)
    for place in topics.unreadable:
        readers = [consumer for consumer, read in CONSUMED_BY.items() if place[0] in {topic.name for topic in read}]
        check.compared += max(1, len(readers))
        if not readers:
            check.differs(f"the record at {place} cannot be read")
        for consumer in readers:
            if (consumer, place) not in database.dead_letters:
                check.differs(f"the unreadable record at {place} is no dead letter of {consumer}'s")
    return check


def dead_letters_of(consumer: str, database: DatabaseFacts) -> set[Place]:
    return {place for its_consumer, place in database.dead_letters if its_consumer == consumer}


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


def _gist(decision: Decision) -> tuple[object, ...]:
    if decision.event_type == REQUESTED:
        return decision.order_id, decision.campaign, decision.customer_id
    return decision.order_id, decision.event_type, decision.occurred_at


def _told(event: OrderTold | RequestTold) -> tuple[object, ...]:
    if isinstance(event, RequestTold):
        return event.order_id, event.campaign, event.customer_id
    return event.order_id, event.type, event.occurred_at


def _outcome_fits(decision: Decision) -> bool:
    """A cancelled timer weighs more than a set one, and that more than a moved one."""
    changes = {effect.change for effect in decision.effects}
    heaviest = next((change for change in ("cancelled", "set", "moved") if change in changes), None)
    return decision.outcome == (f"timer_{heaviest}" if heaviest else "no_timer")
