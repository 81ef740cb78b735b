"""The facts in the topics. Every record is read once; of compacted topics the newest of each key counts."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from deploy.audit.facts import AnswerState, CaseState, OrderTold, Segment, Sent, TopicFacts
from deploy.audit.topics import Event, Record, Topics, event_of, moment

FIXED = ("orders", "surveys.sends", "surveys.deliveries", "surveys.answers", "nps.scores", "customers.preferences")
QUEUE_PREFIX = "followups."
DEAD_LETTERS = ".dlq"

Taker = Callable[[TopicFacts, Record, Event | None], None]


async def read_facts(topics: Topics, names: Sequence[str]) -> TopicFacts:
    """Everything on the topics ``watched`` names, as far as each went when it was begun."""
    facts = TopicFacts()
    takers = {name: _taker(name) for name in names}
    async for record in topics.read(names):
        takers[record.topic](facts, record, event_of(record))
    forgetting = {topic for (topic, _), beginning in (await topics.beginnings(names)).items() if beginning > 0}
    facts.complete = set(names) - forgetting
    return facts


def watched(names: Iterable[str]) -> list[str]:
    """The topics an audit reads; when one of them grew meanwhile, it looked at a moving thing."""
    return sorted(
        name for name in names if name in FIXED or name.startswith(QUEUE_PREFIX) or name.endswith(DEAD_LETTERS)
    )


def _taker(name: str) -> Taker:
    if name.endswith(DEAD_LETTERS):
        return _take_dead_letter
    if name.startswith(QUEUE_PREFIX):
        return _take_case
    takers: dict[str, Taker] = {
        "orders": _take_order,
        "surveys.sends": _take_send,
        "surveys.deliveries": _take_delivery,
        "surveys.answers": _take_answer,
        "nps.scores": _take_score,
        "customers.preferences": _take_preference,
    }
    return takers[name]


def _take_order(facts: TopicFacts, record: Record, event: Event | None) -> None:
    told = None if event is None else _order(record, event)
    if told is None or event is None:
        facts.unreadable_orders.add(record.place)
        return
    facts.orders.append(told)
    customer = event.body["customer"]
    reached = {customer[field] for field in ("email", "phone") if isinstance(customer.get(field), str)}
    facts.personal.setdefault(told.customer_id, set()).update(reached)


def _order(record: Record, event: Event) -> OrderTold | None:
    """What an order event says; None when a field it cannot do without is missing or unreadable."""
    body = event.body
    try:
        shipment = body.get("shipment")
        return OrderTold(
            identity=event.identity,
            type=event.type,
            place=record.place,
            order_id=body["order_id"],
            customer_id=body["customer"]["id"],
            occurred_at=moment(body["occurred_at"]),
            promised_at=moment(body["promised_at"]) if body.get("promised_at") else None,
            shipment=(shipment["id"], int(shipment.get("of", 1))) if shipment else None,
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _take_send(facts: TopicFacts, _record: Record, event: Event | None) -> None:
    if event is not None and event.type == "survey.sent":
        body = event.body
        facts.sends[body["send_id"]] = Sent(
            send_id=body["send_id"],
            campaign=body["campaign"],
            customer_id=body["customer_id"],
            order_id=body.get("order_id"),
            sent_at=moment(body["sent_at"]),
        )
        facts.personal.setdefault(body["customer_id"], set()).add(body["recipient"]["address"])


def _take_delivery(facts: TopicFacts, _record: Record, event: Event | None) -> None:
    if event is not None:
        facts.outcomes.setdefault(event.body["send_id"], set()).add(event.type)


def _take_answer(facts: TopicFacts, _record: Record, event: Event | None) -> None:
    if event is None:
        return
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
    )


def segments_of(segments: dict[str, str | list[str]]) -> frozenset[Segment]:
    return frozenset(
        (dimension, value)
        for dimension, values in segments.items()
        for value in ([values] if isinstance(values, str) else values)
    )


def _take_score(facts: TopicFacts, _record: Record, event: Event | None) -> None:
    if event is not None:
        body = event.body
        key = body["campaign"], body["window"], body["segment"]
        known = facts.scores.get(key)
        if known is None or body["sequence"] >= known["sequence"]:
            facts.scores[key] = body


def _take_case(facts: TopicFacts, record: Record, event: Event | None) -> None:
    if event is None:
        return
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
    )


def _take_preference(facts: TopicFacts, _record: Record, event: Event | None) -> None:
    if event is None:
        return
    customer_id = event.body["customer_id"]
    if event.type == "preference.erased":
        facts.erased_customers[customer_id] = moment(event.body["occurred_at"])


def _take_dead_letter(facts: TopicFacts, record: Record, _event: Event | None) -> None:
    topic, partition, offset, consumer = (
        record.header(f"hearback-{name}") for name in ("topic", "partition", "offset", "consumer")
    )
    if topic and partition and offset and consumer:
        facts.dead_letters.add((consumer, (topic, int(partition), int(offset))))
