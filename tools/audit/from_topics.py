"""Reads the facts from the topics. Each record is read once; on compacted topics the latest of each key counts."""

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import orjson

from shared.contracts import answers, campaigns, deliveries, followups, orders, preferences, requests, scores, sends
from shared.contracts.topics import DEAD_LETTER_SUFFIX, is_compacted
from tools.audit.checks.erasure import details_of_erased
from tools.audit.facts import (
    BEGINNING_OF_TIME,
    AnswerState,
    CaseState,
    ChannelState,
    OrderEvent,
    Preferences,
    Refusal,
    Segment,
    Send,
    StillCounted,
    SurveyRequest,
    TopicFacts,
)
from tools.audit.histories import add_record
from tools.audit.money import amount_of
from tools.audit.records import Event, Record, any_moment, event_of, moment
from tools.audit.traces import ADDRESS, COMMENT, NAME, Detail, Search, comparable

if TYPE_CHECKING:
    from tools.audit.topics import Topics

PLAIN_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?!\d)")
CURRENCY = re.compile(r"[A-Za-z]{3}\Z")
UNPRINTABLE = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
MOST_CHARACTERS = 200
MOST_SHIPMENTS = 1_000
NEVER = datetime.max.replace(tzinfo=UTC)

RecordReader = Callable[[TopicFacts, Record, Event], None]


async def read_facts(topics: "Topics", names: Sequence[str]) -> TopicFacts:
    """Reads the topics named by ``audited_topics``, each up to where it ended when reading started."""
    facts = TopicFacts()
    readers = {name: reader_for(name) for name in names if not name.endswith(DEAD_LETTER_SUFFIX)}
    first_kept: dict[tuple[str, int], datetime] = {}
    search = Search()
    for together in _in_order(names):
        async for record in topics.read(together):
            if (record.topic, record.partition) not in first_kept:
                first_kept[record.topic, record.partition] = _published_at(record)
            if record.value is None and record.header("ce_type") is None and is_compacted(record.topic):
                _remove_key(facts, record)
            elif record.topic in readers:
                read_record(facts, record, readers[record.topic])
                _search_record(facts, record, search)
            else:
                _read_dead_letter(facts, record)
        search.add(details_of_erased(facts))
        search.add(detail for written in facts.erased_comments.values() for detail in written)
    for (topic, partition), beginning in (await topics.beginnings(names)).items():
        if beginning > 0:
            kept_from = first_kept.get((topic, partition), NEVER)
            facts.retained_since[topic] = max(kept_from, facts.retained_since.get(topic, kept_from))
    return facts


def _in_order(names: Sequence[str]) -> Iterator[Sequence[str]]:
    """Who was erased is read first, then what is known about them, then what they wrote, then where it may still be."""
    left = list(names)
    for together in ([preferences.TOPIC], [orders.TOPIC, sends.TOPIC], [answers.TOPIC]):
        if present := [name for name in together if name in left]:
            yield present
            left = [name for name in left if name not in present]
    if left:
        yield left


def _search_record(facts: TopicFacts, record: Record, search: Search) -> None:
    """Notes what the record says about erased customers, instead of what an earlier one under its key did."""
    if not search or not is_compacted(record.topic) or record.key is None or record.value is None:
        return
    at = _key_of(record)
    if found := search.found_in(record.value.decode("utf-8", "replace")):
        facts.traces[at] = found
    else:
        facts.traces.pop(at, None)


def _remove_key(facts: TopicFacts, record: Record) -> None:
    """A record without a value: nothing is to remain of what those before it under its key said."""
    facts.traces.pop(_key_of(record), None)
    if record.topic == preferences.TOPIC and record.key is not None:
        facts.preferences.pop(record.key.decode("utf-8", "replace"), None)


def _key_of(record: Record) -> tuple[str, int, str]:
    return record.topic, record.partition, (record.key or b"").decode("utf-8", "replace")


def _published_at(record: Record) -> datetime:
    """``ce_time``, by the clock of the loop; NEVER when it is missing or invalid."""
    try:
        return moment(record.header("ce_time") or "")
    except ValueError:
        return NEVER


def read_record(facts: TopicFacts, record: Record, reader: RecordReader) -> None:
    """Adds the record's facts, or its location to the unreadable ones."""
    event = event_of(record)
    try:
        if event is None or record.damaged:
            raise ValueError("not a CloudEvent")
        reader(facts, record, event)
        misplaced = add_record(facts.histories, record, event)
        if misplaced is not None:
            facts.misplaced.append(misplaced)
    except (KeyError, TypeError, ValueError, AttributeError):
        facts.unreadable.add(record.location)


def audited_topics(names: Iterable[str]) -> list[str]:
    """The topics the audit reads. If one of them grows during an audit, the audit starts over."""
    return sorted(
        name
        for name in names
        if name in _READERS or name.startswith(followups.TOPIC_PREFIX) or name.endswith(DEAD_LETTER_SUFFIX)
    )


def reader_for(name: str) -> RecordReader:
    """The function that reads a topic's records; ``name`` is without prefix."""
    if name.startswith(followups.TOPIC_PREFIX):
        return _read_case
    return _READERS[name]


def _read_order(facts: TopicFacts, record: Record, event: Event) -> None:
    body, customer = event.body, event.body["customer"]
    for identifier in (body["order_id"], customer["id"]):
        if not identifier.strip() or UNPRINTABLE.search(identifier):
            raise ValueError("not an id")
    order_event = OrderEvent(
        identity=event.identity,
        type=event.type,
        location=record.location,
        order_id=body["order_id"],
        customer_id=customer["id"],
        occurred_at=any_moment(body["occurred_at"]),
        promised_at=_promised_at(body),
        shipment=_shipment(body.get("shipment")),
        total=_total(body.get("total")),
        details=tuple(
            (kind, sys.intern(comparable(customer[field])))
            for field, kind in (("email", ADDRESS), ("phone", ADDRESS), ("name", NAME))
            if isinstance(customer.get(field), str) and customer[field].strip()
        ),
    )
    facts.orders.append(order_event)


def _promised_at(body: dict[str, Any]) -> datetime | None:
    """A day or a time without an offset is meant where the shop is; a day is promised until its end."""
    written = body.get("promised_at")
    if not isinstance(written, str) or not PLAIN_DATE.match(written.strip()):
        return None
    written = written.strip()
    if len(written) == len("2026-11-05"):
        written += "T23:59:59.999999"
    try:
        return any_moment(written, body["occurred_at"])
    except ValueError:
        return None


def _shipment(written: Any) -> tuple[str, int | None] | None:
    """Its id, and how many there are, if that was said; None for what identifies none."""
    shipment = written if isinstance(written, dict) else {"id": written}
    shipment_id, of = shipment.get("id"), shipment.get("of")
    if isinstance(shipment_id, bool) or not isinstance(shipment_id, str | int) or UNPRINTABLE.search(str(shipment_id)):
        return None
    if not str(shipment_id).strip() or len(str(shipment_id)) > MOST_CHARACTERS:
        return None
    try:
        count = float(of) if isinstance(of, str | int | float) and not isinstance(of, bool) else 0
    except (ValueError, OverflowError):
        count = 0
    return str(shipment_id), int(count) if 1 <= count <= MOST_SHIPMENTS and count == int(count) else None


def _total(written: Any) -> tuple[Decimal, str] | None:
    """Amount and currency; None if one of them is missing, or cannot be understood."""
    if not isinstance(written, dict) or not isinstance(written.get("currency"), str):
        return None
    amount, currency = amount_of(written.get("amount")), written["currency"].strip()
    return None if amount is None or not CURRENCY.match(currency) else (amount, currency.upper())


def _read_request(facts: TopicFacts, record: Record, event: Event) -> None:
    body = event.body
    facts.requests.append(
        SurveyRequest(
            identity=event.identity,
            location=record.location,
            request_id=body["request_id"],
            requested_by=body["requested_by"],
            campaign=body["campaign"],
            customer_id=body["customer_id"],
            order_id=body.get("order_id"),
            not_before=moment(body["not_before"]),
        )
    )


def _read_send(facts: TopicFacts, record: Record, event: Event) -> None:
    if event.type == sends.SENT:
        body = event.body
        recipient = body["recipient"]
        facts.sends[body["send_id"]] = Send(
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
            address=recipient["address"],
            name=recipient.get("name"),
            published=record.published,
        )


def _read_delivery(facts: TopicFacts, record: Record, event: Event) -> None:
    facts.outcomes.setdefault(event.body["send_id"], set()).add(event.type)
    if event.type in (deliveries.BOUNCED, deliveries.COMPLAINED):
        refusal = Refusal(type=event.type, at=moment(event.body["occurred_at"]), published=record.published)
        facts.refused.setdefault(event.body["send_id"], []).append(refusal)


def _read_answer(facts: TopicFacts, _record: Record, event: Event) -> None:
    state = answer_state(event.body, erased=event.type == answers.ERASED)
    erased_at = facts.erased_customers.get(state.customer_id or "")
    if erased_at is not None and state.comment and state.answered_at is not None and state.answered_at <= erased_at:
        written = Detail(state.customer_id or "", COMMENT, comparable(state.comment))
        facts.erased_comments.setdefault(written.customer_id, set()).add(written)
    known = facts.answers.get(event.body["answer_id"])
    if known is None or (state.revision, state.score is None) > (known.revision, known.score is None):
        facts.answers[event.body["answer_id"]] = state


def answer_state(body: dict[str, Any], *, erased: bool = False) -> AnswerState:
    """Parses an answer's body."""
    if erased:
        counted = body.get("counted")
        if counted is None:
            return AnswerState(revision=body["revision"], score=None)
        still = StillCounted(
            group=counted["group"], day=date.fromisoformat(counted["day"]), surveyed=counted["surveyed"]
        )
        return AnswerState(
            revision=body["revision"],
            score=None,
            still=still,
            campaign=counted.get("campaign"),
            segments=segments_of(counted.get("segments") or {}),
        )
    return AnswerState(
        revision=body["revision"],
        score=body["score"],
        answered_at=moment(body["answered_at"]),
        received_at=moment(body["received_at"]) if body.get("received_at") else None,
        campaign=body.get("campaign"),
        segments=segments_of(body.get("segments") or {}),
        customer_id=body.get("customer_id"),
        send_id=body.get("send_id"),
        comment=body.get("comment"),
        digest=blake2b(orjson.dumps(without_empty_fields(body), option=orjson.OPT_SORT_KEYS), digest_size=16).digest(),
    )


def without_empty_fields(body: dict[str, Any]) -> dict[str, Any]:
    """An absent, a null and an empty field mean the same."""
    return {name: value for name, value in body.items() if value not in (None, {}, [])}


def segments_of(segments: dict[str, str | list[str]]) -> frozenset[Segment]:
    return frozenset(
        (dimension, value)
        for dimension, values in segments.items()
        for value in ([values] if isinstance(values, str) else values)
    )


def _read_score(facts: TopicFacts, _record: Record, event: Event) -> None:
    body = event.body
    key = body["campaign"], body["window"], body["segment"]
    known = facts.scores.get(key)
    if known is None or body["sequence"] >= known["sequence"]:
        facts.scores[key] = body


def _read_case(facts: TopicFacts, record: Record, event: Event) -> None:
    cases = facts.cases.setdefault(record.topic.removeprefix(followups.TOPIC_PREFIX), {})
    state = case_state(event.body)
    known = cases.get(state.case_id)
    if known is None or state.sequence >= known.sequence:
        cases[state.case_id] = state


def case_state(body: dict[str, Any]) -> CaseState:
    """Parses a case's body."""
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


def _read_preference(facts: TopicFacts, record: Record, event: Event) -> None:
    body = event.body
    told = Preferences(
        revision=body["revision"], channels=channel_states(body.get("channels") or []), published=record.published
    )
    facts.preferences.setdefault(body["customer_id"], []).append(told)
    if event.type == preferences.ERASED:
        at = moment(body["occurred_at"])
        if at > facts.erased_customers.get(body["customer_id"], BEGINNING_OF_TIME):
            facts.erased_customers[body["customer_id"]] = at
            if record.published is not None:
                facts.erasure_published[body["customer_id"]] = record.published


def channel_states(channels: Iterable[dict[str, Any]]) -> tuple[ChannelState, ...]:
    """Parses the channels of a customer's preferences."""
    return tuple(
        ChannelState(
            channel=channel["channel"],
            state=channel["state"],
            changed_at=moment(channel["changed_at"]),
            address=channel.get("address"),
        )
        for channel in channels
    )


def _read_campaign(_facts: TopicFacts, _record: Record, event: Event) -> None:
    """Only its version is compared; the definition is in the dispatcher's table."""
    event.body["campaign"], event.body["campaign_version"]


def _read_dead_letter(facts: TopicFacts, record: Record) -> None:
    topic, partition, offset, consumer = (
        record.header(f"hearback-{name}") for name in ("topic", "partition", "offset", "consumer")
    )
    if topic and partition and offset and consumer:
        facts.dead_letters.add((consumer, (topic, int(partition), int(offset))))


_READERS: dict[str, RecordReader] = {
    orders.TOPIC: _read_order,
    requests.TOPIC: _read_request,
    sends.TOPIC: _read_send,
    deliveries.TOPIC: _read_delivery,
    answers.TOPIC: _read_answer,
    scores.TOPIC: _read_score,
    preferences.TOPIC: _read_preference,
    campaigns.TOPIC: _read_campaign,
}
