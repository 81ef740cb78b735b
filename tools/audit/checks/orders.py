"""Promise 4: each order event and each survey request ended as one decision or one dead letter."""

from collections import defaultdict
from datetime import datetime

from shared.contracts import orders, requests
from shared.contracts.topics import CONSUMED_BY
from tools.audit.facts import BEGINNING_OF_TIME, DatabaseFacts, Decision, OrderEvent, SurveyRequest, TopicFacts
from tools.audit.records import Location
from tools.audit.report import Check

DISPATCHER = "dispatcher"


def events_accounted_for(
    topics: TopicFacts, database: DatabaseFacts, *, forgotten_before: datetime = BEGINNING_OF_TIME
) -> Check:
    """Every distinct event has exactly one decision, about that event, or is a dead letter; every decision has an
    event.

    Nothing at all may be left of an order whose customer was erased: what happened ``forgotten_before`` is then left
    out. Only where Kafka keeps orders for longer than usual are any that old still there.
    """
    check = Check("order events accounted for", 4)
    rows: defaultdict[tuple[str, str], list[Decision]] = defaultdict(list)
    for decision in database.decisions:
        if decision.event is not None:
            rows[decision.event].append(decision)
    dead = dead_letters_of(DISPATCHER, database)
    decided_about = database.decided_about()
    events_by_identity: defaultdict[tuple[str, str], list[OrderEvent | SurveyRequest]] = defaultdict(list)
    events: list[OrderEvent | SurveyRequest] = [*topics.orders, *topics.requests]
    for event in events:
        events_by_identity[event.identity].append(event)
    for identity, copies in events_by_identity.items():
        check.compared += 1
        dead_lettered = all(copy.location in dead for copy in copies)
        subject = f"event {identity[1]} of {identity[0]}"
        decisions = rows.get(identity, [])
        if (
            not decisions
            and not dead_lettered
            and all(
                _when(copy) < forgotten_before and (copy.order_id or copy.customer_id) not in decided_about
                for copy in copies
            )
        ):
            check.left_out += 1
            continue
        if len(decisions) != (0 if dead_lettered else 1):
            check.add_difference(
                f"{subject} has {len(decisions)} decisions and is {'a' if dead_lettered else 'no'} dead letter"
            )
        for decision in decisions:
            if all(_subject_of_decision(decision) != _subject_of_event(copy) for copy in copies):
                check.add_difference(f"{subject} has a decision that does not match the event")
            if not _outcome_matches_effects(decision):
                check.add_difference(
                    f"{subject} has the outcome {decision.outcome}, which does not match its effects on the timers"
                )
    for identity, decisions in rows.items():
        topic = requests.TOPIC if decisions[0].event_type == requests.REQUESTED else orders.TOPIC
        if identity not in events_by_identity and topics.complete(topic):
            check.add_difference(f"event {identity[1]} of {identity[0]} has a decision, but is not on {topic}")
    return check


def unreadable_dead_lettered(topics: TopicFacts, database: DatabaseFacts) -> Check:
    """An unreadable record is a dead letter of every service that consumes the topic.

    On topics that none of them consumes nothing may be unreadable: Hearback published all of it.
    """
    check = Check("unreadable records dead-lettered", 4)
    for location in topics.unreadable:
        consumers = [
            name for name, consumed in CONSUMED_BY.items() if location[0] in {topic.name for topic in consumed}
        ]
        check.compared += max(1, len(consumers))
        if not consumers:
            check.add_difference(f"the record at {location} is unreadable")
        for consumer in consumers:
            if (consumer, location) not in database.dead_letters:
                check.add_difference(f"the unreadable record at {location} is not a dead letter of the {consumer}")
    return check


def dead_letters_of(consumer: str, database: DatabaseFacts) -> set[Location]:
    return {location for its_consumer, location in database.dead_letters if its_consumer == consumer}


def dead_letters_published(topics: TopicFacts, database: DatabaseFacts) -> Check:
    """Each service's dead letters are on its dead-letter topic, and nothing else is."""
    check = Check("dead letters published", 4)
    for consumer, location in database.dead_letters | topics.dead_letters:
        check.compared += 1
        if (consumer, location) not in topics.dead_letters:
            check.add_difference(f"the {consumer}'s dead letter of {location} is not on its topic")
        if (consumer, location) not in database.dead_letters:
            check.add_difference(f"the {consumer}'s dead-letter topic holds {location}, which is not in its table")
    return check


def _when(event: OrderEvent | SurveyRequest) -> datetime:
    return event.not_before if isinstance(event, SurveyRequest) else event.occurred_at


def _subject_of_decision(decision: Decision) -> tuple[object, ...]:
    if decision.event_type == requests.REQUESTED:
        return decision.order_id, decision.campaign, decision.customer_id
    return decision.order_id, decision.event_type, decision.occurred_at


def _subject_of_event(event: OrderEvent | SurveyRequest) -> tuple[object, ...]:
    if isinstance(event, SurveyRequest):
        return event.order_id, event.campaign, event.customer_id
    return event.order_id, event.type, event.occurred_at


def _outcome_matches_effects(decision: Decision) -> bool:
    """The outcome is named after the strongest effect: cancelled, then set, then moved."""
    changes = {effect.change for effect in decision.effects}
    strongest = next((change for change in ("cancelled", "set", "moved") if change in changes), None)
    return decision.outcome == (f"timer_{strongest}" if strongest else "no_timer")
