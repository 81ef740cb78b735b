"""The facts in the topics. Every record is read once; of compacted topics the newest of each key counts."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

import orjson

from tools.audit.facts import AnswerState, CaseState, OrderTold, RequestTold, Segment, Sent, TopicFacts
from tools.audit.topics import Event, Record, Topics, event_of, moment

FIXED = (
    "orders",
    "surveys.requests",
    "surveys.sends",
    "surveys.deliveries",
    "surveys.answers",
    "nps.scores",
    "customers.preferences",
)
QUEUE_PREFIX = "followups."
DEAD_LETTERS = ".dlq"
NEVER = datetime.max.replace(tzinfo=UTC)

Taker = Callable[[TopicFacts, Record, Event], None]


async def read_facts(topics: Topics, names: Sequence[str]) -> TopicFacts:
    """Everything on the topics ``watched`` names, as far as each went when it was begun."""
    facts = TopicFacts()
    takers = {name: taker_of(name) for name in names if not name.endswith(DEAD_LETTERS)}
    first_kept: dict[tuple[str, int], datetime] = {}
    async for record in topics.read(names):
        if (record.topic, record.partition) not in first_kept:
            first_kept[record.topic, record.partition] = _published_at(record)
        if record.topic in takers:
            take(facts, record, takers[record.topic])
        else:
            _take_dead_letter(facts, record)
    for (topic, partition), beginning in (await topics.beginnings(names)).items():
        if beginning > 0:
            kept_from = first_kept.get((topic, partition), NEVER)
            facts.dropped[topic] = max(kept_from, facts.dropped.get(topic, kept_from))
    return facts


def _published_at(record: Record) -> datetime:
    """By the clock of the loop; NEVER when it does not say so."""
    try:
        return moment(record.header("ce_time") or "")
    except ValueError:
        return NEVER


def take(facts: TopicFacts, record: Record, taker: Taker) -> None:
    """Adds what the record says, or that it cannot be read."""
    event = event_of(record)
    try:
        if event is None:
            raise ValueError("no CloudEvent")
        taker(facts, record, event)
    except (KeyError, TypeError, ValueError, AttributeError):
        facts.unreadable.add(record.place)


def watched(names: Iterable[str]) -> list[str]:
    """The topics an audit reads; when one of them grew meanwhile, it looked at a moving thing."""
    return sorted(
        name for name in names if name in FIXED or name.startswith(QUEUE_PREFIX) or name.endswith(DEAD_LETTERS)
    )


def taker_of(name: str) -> Taker:
    """What reads the records of a topic; names of topics are without prefix."""
    if name.startswith(QUEUE_PREFIX):
        return _take_case
    takers: dict[str, Taker] = {
        "orders": _take_order,
        "surveys.requests": _take_request,
        "surveys.sends": _take_send,
        "surveys.deliveries": _take_delivery,
        "surveys.answers": _take_answer,
        "nps.scores": _take_score,
        "customers.preferences": _take_preference,
    }
    return takers[name]


def _take_order(facts: TopicFacts, record: Record, event: Event) -> None:
    body, customer = event.body, event.body["customer"]
    shipment = body.get("shipment")
    told = OrderTold(
        identity=event.identity,
        type=event.type,
        place=record.place,
        order_id=body["order_id"],
        customer_id=customer["id"],
        occurred_at=moment(body["occurred_at"]),
        promised_at=moment(body["promised_at"]) if body.get("promised_at") else None,
        shipment=(shipment["id"], int(shipment.get("of", 1))) if shipment else None,
    )
    reached = {customer[field] for field in ("email", "phone") if isinstance(customer.get(field), str)}
    facts.orders.append(told)
    facts.personal.setdefault(told.customer_id, set()).update(reached)


def _take_request(facts: TopicFacts, record: Record, event: Event) -> None:
    body = event.body
    facts.requests.append(
        RequestTold(
            identity=event.identity,
            place=record.place,
            request_id=body["request_id"],
            campaign=body["campaign"],
            customer_id=body["customer_id"],
            order_id=body.get("order_id"),
            not_before=moment(body["not_before"]),
        )
    )


def _take_send(facts: TopicFacts, _record: Record, event: Event) -> None:
    if event.type == "survey.sent":
        body = event.body
        address = body["recipient"]["address"]
        facts.sends[body["send_id"]] = Sent(
            send_id=body["send_id"],
            campaign=body["campaign"],
            campaign_version=body["campaign_version"],
            channel=body["channel"],
            customer_id=body["customer_id"],
            order_id=body.get("order_id"),
            due_at=moment(body["due_at"]),
            sent_at=moment(body["sent_at"]),
            expires_at=moment(body["expires_at"]),
            segments=segments_of(body["segments"]),
        )
        facts.personal.setdefault(body["customer_id"], set()).add(address)


def _take_delivery(facts: TopicFacts, _record: Record, event: Event) -> None:
    facts.outcomes.setdefault(event.body["send_id"], set()).add(event.type)


def _take_answer(facts: TopicFacts, _record: Record, event: Event) -> None:
    state = answer_state(event.body, erased=event.type == "answer.erased")
    known = facts.answers.get(event.body["answer_id"])
    if known is None or (state.revision, state.score is None) > (known.revision, known.score is None):
        facts.answers[event.body["answer_id"]] = state


def answer_state(body: dict[str, Any], *, erased: bool = False) -> AnswerState:
    """An answer as the contract words it."""
    if erased:
        return AnswerState(body["revision"], None)
    return AnswerState(
        revision=body["revision"],
        score=body["score"],
        answered_at=moment(body["answered_at"]),
        campaign=body.get("campaign"),
        segments=segments_of(body.get("segments") or {}),
        customer_id=body.get("customer_id"),
        send_id=body.get("send_id"),
        comment=body.get("comment"),
        words=blake2b(orjson.dumps(without_blanks(body), option=orjson.OPT_SORT_KEYS), digest_size=16).digest(),
    )


def without_blanks(body: dict[str, Any]) -> dict[str, Any]:
    """What is said; a field that is absent, null or empty says nothing."""
    return {name: value for name, value in body.items() if value not in (None, {}, [])}


def segments_of(segments: dict[str, str | list[str]]) -> frozenset[Segment]:
    return frozenset(
        (dimension, value)
        for dimension, values in segments.items()
        for value in ([values] if isinstance(values, str) else values)
    )


def _take_score(facts: TopicFacts, _record: Record, event: Event) -> None:
    body = event.body
    key = body["campaign"], body["window"], body["segment"]
    known = facts.scores.get(key)
    if known is None or body["sequence"] >= known["sequence"]:
        facts.scores[key] = body


def _take_case(facts: TopicFacts, record: Record, event: Event) -> None:
    cases = facts.cases.setdefault(record.topic.removeprefix(QUEUE_PREFIX), {})
    state = case_state(event.body)
    known = cases.get(state.case_id)
    if known is None or state.sequence >= known.sequence:
        cases[state.case_id] = state


def case_state(body: dict[str, Any]) -> CaseState:
    """A case as the contract words it."""
    answer = body.get("answer") or {}
    return CaseState(
        case_id=body["case_id"],
        queue=body["queue"],
        status=body["status"],
        sequence=body["sequence"],
        answer_id=answer.get("answer_id"),
        score=answer.get("score"),
        revision=answer.get("revision"),
        closed_reason=body.get("closed_reason"),
        comment=answer.get("comment"),
        opened_at=moment(body["opened_at"]),
        changed_at=moment(body["changed_at"]),
        due_at=moment(body["due_at"]) if body.get("due_at") else None,
        owner=body.get("owner"),
        suggested_action=body.get("suggested_action"),
        root_cause=body.get("root_cause"),
    )


def _take_preference(facts: TopicFacts, _record: Record, event: Event) -> None:
    if event.type == "preference.erased":
        facts.erased_customers[event.body["customer_id"]] = moment(event.body["occurred_at"])


def _take_dead_letter(facts: TopicFacts, record: Record) -> None:
    topic, partition, offset, consumer = (
        record.header(f"hearback-{name}") for name in ("topic", "partition", "offset", "consumer")
    )
    if topic and partition and offset and consumer:
        facts.dead_letters.add((consumer, (topic, int(partition), int(offset))))
