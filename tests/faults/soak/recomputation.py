"""Recomputes from the journal what must have come of it, and compares it with what can be seen from outside.

Written from the documentation, and shares no code with the product: a mistake made twice in different words would be
needed to pass unnoticed. Each check returns how much it compared, and a sentence for each difference.
"""

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

from tests.faults.soak.evidence import WINDOWS, Evidence, Record
from tests.faults.soak.journal import Entry

STOPS = ("order.cancelled", "order.refunded", "order.returned")
READERS = {
    "orders": ("alerter", "dispatcher"),
    "customers.preferences": ("alerter", "dispatcher"),
    "surveys.requests": ("dispatcher",),
    "surveys.sends": ("alerter", "collector", "courier", "scorer"),
    "surveys.campaigns": ("collector",),
    "surveys.deliveries": ("collector", "scorer"),
    "surveys.answers": ("alerter", "scorer"),
}
NEWEST_BY = {
    "surveys.answers": "revision",
    "customers.preferences": "revision",
    "nps.scores": "sequence",
    "surveys.campaigns": "campaign_version",
}
"""What grows with each record of a key; on the topics of cases it is the sequence."""
ENDED_BY = ("delivery.accepted", "delivery.bounced", "delivery.failed")
WINDOW_DAYS = {"7d": 7, "30d": 30, "90d": 90, "365d": 365, "all": None}
Z = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Comparison:
    compared: int
    differences: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer as the journal has it: ``said`` are its scores, each with when the request began and was acknowledged,
    and its revision."""

    id: str
    said: Sequence[Entry]
    segments: frozenset[str]
    campaign: str | None

    @property
    def last(self) -> Entry:
        return max(self.said, key=lambda entry: int(entry["revision"]))


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(UTC)


# What there should be


def sends(evidence: Evidence) -> dict[str, Record]:
    """By send id; a relay may have published one twice."""
    return {str(record.body["send_id"]): record for record in evidence.events("surveys.sends", "survey.sent")}


def bodies(evidence: Evidence) -> dict[str, Mapping[str, Any]]:
    """The body of each order, by its id."""
    return {entry["order_id"]: entry["body"] for entry in evidence.of_kind("event") if entry["acceptable"]}


def answers(evidence: Evidence) -> dict[str, Answer]:
    sent, orders = sends(evidence), bodies(evidence)
    said: dict[str, list[Entry]] = defaultdict(list)
    for entry in (*evidence.of_kind("answered"), *evidence.of_kind("reported")):
        said[entry["answer_id"]].append(entry)
    found = {}
    for answer_id, entries in said.items():
        first = entries[0]
        if first["kind"] == "reported":
            segments = frozenset(f"{name}:{value}" for name, value in first["segments"].items())
            found[answer_id] = Answer(id=answer_id, said=entries, segments=segments, campaign=None)
        else:
            survey = sent[first["send_id"]].body
            found[answer_id] = Answer(
                id=answer_id,
                said=entries,
                segments=segments_of(orders[survey["order_id"]]),
                campaign=survey["campaign"],
            )
    return found


def segments_of(body: Mapping[str, Any]) -> frozenset[str]:
    """Those the shop decides by what it says about the order and its customer."""
    customer = body["customer"]
    said = {
        "country": [customer.get("country")],
        "region": [customer.get("region")],
        "tier": [customer.get("tier")],
        "sales_channel": [body.get("channel")],
        "category": [item["category"] for item in body["items"]],
    }
    return frozenset(f"{name}:{value}" for name, values in said.items() for value in values if (value or "").strip())


def group_of(score: int) -> str:
    return "detractors" if score < 7 else "passives" if score < 9 else "promoters"


def interval(promoters: int, passives: int, detractors: int) -> tuple[float | None, float, float]:
    """NPS and its 95 % interval: adjusted Wald with three quarters more of each extreme and one and a half between."""
    n = promoters + passives + detractors
    nps = None if n == 0 else 100 * (promoters - detractors) / n
    if nps is None:
        return None, -100.0, 100.0
    up, down = (promoters + 0.75) / (n + 3), (detractors + 0.75) / (n + 3)
    margin = 100 * Z * math.sqrt((up + down - (up - down) ** 2) / (n + 3))
    centre = 100 * (up - down)
    return nps, min(nps, max(-100.0, centre - margin)), max(nps, min(100.0, centre + margin))


# The checks


def counted_once(evidence: Evidence) -> Comparison:
    """Every acknowledged answer is on its topic with its last acknowledged score, and nothing else is."""
    expected = answers(evidence)
    erased = _erased_answers(evidence)
    revisions = _revisions(evidence)
    problems = []
    for answer in expected.values():
        if answer.id in erased:
            continue
        known = revisions.get(answer.id)
        if not known:
            problems.append(f"the acknowledged answer {answer.id} is not on surveys.answers")
            continue
        last = known[max(known)]
        if last["score"] != answer.last["score"]:
            problems.append(
                f"the answer {answer.id} was last acknowledged with {answer.last['score']}, and its last revision "
                f"says {last['score']}"
            )
        scores = {int(entry["revision"]): entry["score"] for entry in answer.said}
        for revision, score in scores.items():
            if revision not in known or known[revision]["score"] != score:
                problems.append(f"revision {revision} of the answer {answer.id} was acknowledged and is not there")
    problems += [
        f"the answer {answer_id} is on surveys.answers, and nobody gave it" for answer_id in revisions.keys() - expected
    ]
    for key, ids in _ids_by_key(evidence).items():
        if len(ids) > 1:
            problems.append(f"one key of the backend, {key}, became {len(ids)} answers")
    return Comparison(len(expected), tuple(problems))


def forbidden_surveys(evidence: Evidence) -> Comparison:
    """No survey after what forbids it was there to be read when it fell due."""
    stopped = {
        entry["order_id"]: moment(entry["at"])
        for entry in reversed(evidence.of_kind("event"))
        if entry["type"] in STOPS and entry["acceptable"]
    }
    silenced = _silenced(evidence)
    problems = []
    found = sends(evidence)
    for send_id, record in found.items():
        survey = record.body
        due_at = moment(survey["due_at"])
        if (order_stopped := stopped.get(survey["order_id"])) is not None and order_stopped < due_at:
            problems.append(f"the survey {send_id}, due {due_at}, is about an order stopped at {order_stopped}")
        reasons = silenced.get(survey["recipient"]["address"].lower(), [])
        problems += [
            f"the survey {send_id}, due {due_at}, went to somebody {what} at {since}"
            for since, what in reasons
            if since < due_at
        ]
    return Comparison(len(found), tuple(problems))


def asked_once(evidence: Evidence) -> Comparison:
    """Every order that had to be asked about was, once; of every other there is a decision."""
    by_order: dict[str, set[str]] = defaultdict(set)
    for send_id, record in sends(evidence).items():
        by_order[record.body["order_id"]].add(send_id)
    excused = {entry["order_id"] for entry in evidence.of_kind("event") if entry["type"] in STOPS}
    silenced = _silenced(evidence).keys() | {
        entry["address"].lower() for entry in (*evidence.of_kind("erased"), *evidence.of_kind("unsubscribed"))
    }
    problems = []
    orders = bodies(evidence)
    delivered = {entry["order_id"] for entry in evidence.of_kind("event") if entry["type"] == "order.delivered"}
    for order_id, body in orders.items():
        asked = by_order.get(order_id, set())
        if len(asked) > 1:
            problems.append(f"the order {order_id} was asked about {len(asked)} times")
        address = (body["customer"].get("email") or "").lower()
        if asked or order_id not in delivered or order_id in excused or address in silenced or not address:
            continue
        problems.append(f"the order {order_id} was not asked about, and nothing forbade it")
    return Comparison(len(orders), tuple(problems))


def quiet_periods(evidence: Evidence, *, quiet: timedelta = timedelta(days=2)) -> Comparison:
    """Nobody is sent two surveys within the quiet period. Who was not reached was not asked."""
    reached = {
        record.body["send_id"]
        for record in evidence.events("surveys.deliveries", *ENDED_BY)
        if record.type == "delivery.accepted" or record.body.get("reason") == "unknown_outcome"
    }
    sent: dict[str, list[datetime]] = defaultdict(list)
    for send_id, record in sends(evidence).items():
        if send_id not in reached:
            continue
        sent[record.body["customer_id"]].append(moment(record.body["sent_at"]))
    problems = []
    for customer_id, moments in sent.items():
        moments.sort()
        problems += [
            f"{customer_id} was sent a survey {after - before} after another"
            for before, after in pairwise(moments)
            if after - before < quiet
        ]
    return Comparison(len(sent), tuple(problems))


def decided_once(evidence: Evidence) -> Comparison:
    """Every acknowledged order event has one decision, with a reason; an unacceptable one is a dead letter."""
    problems = []
    events = {entry["id"]: entry for entry in evidence.of_kind("event")}
    dead = {record.id for record in evidence.records.get("orders.dispatcher.dlq", ()) if not record.poison}
    found = Counter(
        decision["event"]["id"]
        for decisions in evidence.decisions.values()
        for decision in decisions
        if decision["event"] is not None and decision["reason"]
    )
    erased = {entry["customer_id"] for entry in evidence.of_kind("erased")}
    guests = {customer for customer in evidence.decisions if not customer.startswith("c-")}
    for event_id, entry in events.items():
        if not entry["acceptable"]:
            if event_id not in dead:
                problems.append(f"the event {event_id} is from the future, and no dead letter")
        elif event_id in dead:
            problems.append(f"the event {event_id} is a dead letter, and nothing was wrong with it")
        elif entry["customer_id"] not in erased | guests and found[event_id] != 1:
            problems.append(f"the event {event_id} has {found[event_id]} decisions")
    return Comparison(len(events), tuple(problems))


def delivered_once(evidence: Evidence) -> Comparison:
    """Every survey has one ending; an accepted one is in the mailbox once, any other is not, unless it is unknown
    whether it is."""
    copies = Counter(evidence.mails)
    endings: dict[str, dict[str, str]] = defaultdict(dict)
    for record in evidence.events("surveys.deliveries", *ENDED_BY):
        endings[record.body["send_id"]][record.type] = record.body.get("reason") or ""
    problems = []
    found = sends(evidence)
    for send_id in found:
        ended = endings.get(send_id, {})
        if len(ended) != 1:
            problems.append(f"the survey {send_id} has {len(ended)} endings: {', '.join(ended) or 'none'}")
            continue
        ((ending, reason),) = ended.items()
        if reason == "unknown_outcome":
            continue
        if copies[send_id] != (1 if ending == "delivery.accepted" else 0):
            problems.append(f"the survey {send_id} ended as {ending} ({reason}), with {copies[send_id]} mails")
    problems += [f"the mailbox has a survey nobody sent: {send_id}" for send_id in copies.keys() - found.keys()]
    return Comparison(len(found), tuple(problems))


def one_case_each(evidence: Evidence) -> Comparison:
    """Every detractor has exactly one case, in a queue that the rules since their answer allow."""
    erased = _erased_answers(evidence)
    cases: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for case in evidence.cases:
        if case.get("answer"):
            cases[case["answer"]["answer_id"]].append(case)
    problems = []
    compared = 0
    orders = answers(evidence)
    for answer in orders.values():
        score = answer.last["score"]
        if answer.id in erased or group_of(score) != "detractors":
            continue
        compared += 1
        own = cases.get(answer.id, [])
        if len(own) != 1:
            problems.append(f"the detractor's answer {answer.id} has {len(own)} cases")
            continue
        allowed = _queues(evidence, answer)
        if own[0]["queue"] not in allowed:
            problems.append(f"the case of {answer.id} is in {own[0]['queue']}, not in {' or '.join(sorted(allowed))}")
        if own[0]["answer"]["score"] != score:
            problems.append(f"the case of {answer.id} says {own[0]['answer']['score']}, and the customer {score}")
        if own[0]["status"] == "closed":
            problems.append(f"the case of {answer.id} is closed, and nobody closed it")
    return Comparison(compared, tuple(problems))


def scores_served(evidence: Evidence) -> Comparison:
    """NPS, its interval and its counts, of every window and segment."""
    revisions = _revisions(evidence)
    given: list[tuple[date, str, Answer]] = []
    problems = []
    for answer in answers(evidence).values():
        day, problem = _day(answer, revisions.get(answer.id, {}))
        problems += problem
        given.append((day, group_of(answer.last["score"]), answer))
    for (window, segment, campaign), served in evidence.scores.items():
        today = moment(served["at"]).date()
        days = WINDOW_DAYS[window]
        count = Counter(
            group
            for day, group, answer in given
            if (days is None or today - timedelta(days=days) < day)
            and day <= today
            and (not segment or segment in answer.segments)
            and (not campaign or answer.campaign == campaign)
        )
        nps, low, high = interval(count["promoters"], count["passives"], count["detractors"])
        wanted = {"nps": nps, "low": low, "high": high, "n": count.total(), **{name: count[name] for name in GROUPS}}
        different = {name: (value, served[name]) for name, value in wanted.items() if not _alike(value, served[name])}
        if different:
            told = ", ".join(f"{name} {theirs}, not {ours}" for name, (ours, theirs) in different.items())
            problems.append(f"{window} of {segment or 'everybody'} in {campaign or 'all campaigns'}: {told}")
    return Comparison(len(evidence.scores), tuple(problems))


def newest_last(evidence: Evidence) -> Comparison:
    """What compaction keeps of each key is the newest there has been."""
    problems = []
    compared = 0
    for topic in evidence.records:
        field = "sequence" if topic.startswith("followups.") else NEWEST_BY.get(topic)
        if field is None or topic.endswith(".dlq"):
            continue
        highest: dict[bytes | None, int] = {}
        last: dict[bytes | None, int] = {}
        for record in evidence.events(topic):
            last[record.key] = number = int(record.body[field])
            highest[record.key] = max(number, highest.get(record.key, 0))
        compared += len(last)
        problems += [
            f"{topic}: the last record of {(key or b'').decode()!r} has {field} {last[key]}, an earlier one {number}"
            for key, number in highest.items()
            if last[key] != number
        ]
    return Comparison(compared, tuple(problems))


def poison_set_aside(evidence: Evidence) -> Comparison:
    """Every unreadable record is a dead letter of everybody who reads its topic, once, with its bytes."""
    problems = []
    compared = 0
    letters: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for topic, records in evidence.records.items():
        if topic.endswith(".dlq"):
            for record in records:
                letters[topic, (record.key or b"").decode("utf-8", "replace")].append(record)
    for entry in evidence.of_kind("poison"):
        for reader in READERS[entry["topic"]]:
            compared += 1
            topic = f"{entry['topic']}.{reader}.dlq"
            own = letters.get((topic, entry["key"]), [])
            positions = {(letter.header("hearback-partition"), letter.header("hearback-offset")) for letter in own}
            if len(positions) != 1:
                problems.append(f"{entry['key']} of {entry['topic']} is {len(positions)} dead letters in {topic}")
            elif any(_digest(letter) != entry["sha256"] for letter in own):
                problems.append(f"the dead letter of {entry['key']} in {topic} has other bytes")
    return Comparison(compared, tuple(problems))


def nothing_of_the_erased(evidence: Evidence) -> Comparison:
    """What is kept for good, and what is served, says nothing of who was erased."""
    erased = [entry for entry in evidence.of_kind("erased") if entry["address"]]
    words = {entry["address"].lower().encode() for entry in erased}
    problems = []
    for topic in evidence.records:
        if topic not in NEWEST_BY and not topic.startswith("followups."):
            continue
        kept = {record.key: record for record in evidence.events(topic)}
        for record in kept.values():
            value = (record.value or b"").lower()
            problems += [f"{topic} keeps {word.decode()}" for word in words if word in value]
    for case in evidence.cases:
        address = ((case.get("customer") or {}).get("email") or "").lower().encode()
        if address in words:
            problems.append(f"the case {case['case_id']} shows {address.decode()}")
    gone = _erased_answers(evidence)
    shown = {case["answer"]["answer_id"] for case in evidence.cases if case.get("answer")}
    problems += [f"the erased answer {answer_id} is shown in a case" for answer_id in sorted(gone & shown)]
    for answer_id in gone:
        records = [record for record in evidence.events("surveys.answers") if record.body.get("answer_id") == answer_id]
        if records and records[-1].type != "answer.erased":
            problems.append(f"the last record of the erased answer {answer_id} is {records[-1].type}")
    return Comparison(len(erased), tuple(problems))


def nothing_personal_logged(evidence: Evidence) -> Comparison:
    """No process has logged an address or a name."""
    problems = [f"{count} lines of {log} have an address or a name" for log, count in evidence.leaks.items() if count]
    return Comparison(len(evidence.leaks), tuple(problems))


Check = Callable[[Evidence], Comparison]
CHECKS: Mapping[str, Check] = {
    "every order that had to be asked about was, once": asked_once,
    "no survey after what forbids it": forbidden_surveys,
    "quiet periods kept": quiet_periods,
    "every order event decided once": decided_once,
    "every survey ended once, and is in the mailbox once at most": delivered_once,
    "every acknowledged answer kept, with its last score": counted_once,
    "every detractor has one case, in the right queue": one_case_each,
    "NPS as the journal has it": scores_served,
    "the last record of every key is the newest": newest_last,
    "all poison is in dead letters": poison_set_aside,
    "nothing of the erased is left": nothing_of_the_erased,
    "nothing personal in the logs": nothing_personal_logged,
}
GROUPS = ("promoters", "passives", "detractors")


def recompute(evidence: Evidence) -> dict[str, Comparison]:
    return {name: check(evidence) for name, check in CHECKS.items()}


def segments_to_ask(entries: Iterable[Entry]) -> list[str]:
    """Every segment that an order of the journal may have counted in."""
    events = [entry["body"] for entry in entries if entry["kind"] == "event"]
    return sorted({segment for body in events for segment in segments_of(body)})


# What several checks need


def _revisions(evidence: Evidence) -> dict[str, dict[int, Mapping[str, Any]]]:
    """The bodies of each answer by revision, without its erasure."""
    found: dict[str, dict[int, Mapping[str, Any]]] = defaultdict(dict)
    for record in evidence.events("surveys.answers", "answer.recorded", "answer.amended"):
        found[record.body["answer_id"]][record.body["revision"]] = record.body
    return found


def _erased_answers(evidence: Evidence) -> set[str]:
    """Answers to surveys of who was erased: the journal says who, the surveys about which orders."""
    orders = {order_id for entry in evidence.of_kind("erased") for order_id in entry["order_ids"]}
    customers = {entry["customer_id"] for entry in evidence.of_kind("erased")}
    surveys = {
        send_id
        for send_id, record in sends(evidence).items()
        if record.body["customer_id"] in customers or record.body["order_id"] in orders
    }
    return {entry["answer_id"] for entry in evidence.of_kind("answered") if entry["send_id"] in surveys}


def _ids_by_key(evidence: Evidence) -> dict[str, set[tuple[str, int]]]:
    found: dict[str, set[tuple[str, int]]] = defaultdict(set)
    for entry in evidence.of_kind("reported"):
        found[entry["key"]].add((entry["answer_id"], entry["revision"]))
    return found


def _silenced(evidence: Evidence) -> dict[str, list[tuple[datetime, str]]]:
    """Who must not be written to, by address, and since when anybody could read it."""
    seen: dict[tuple[str, str], datetime] = {}
    for entry in evidence.of_kind("seen"):
        seen.setdefault((entry["key"], entry["type"]), moment(entry["at"]))
    addresses: dict[str, str] = {}
    for entry in evidence.of_kind("event"):
        customer = entry["body"]["customer"]
        if customer.get("email"):
            addresses[customer["id"]] = customer["email"].lower()
    found: dict[str, list[tuple[datetime, str]]] = defaultdict(list)
    for (key, kind), at in seen.items():
        word = {"preference.unsubscribed": "unsubscribed", "preference.bounced": "unreachable"}.get(kind)
        if word is not None and key in addresses:
            found[addresses[key]].append((at, word))
        elif kind == "preference.erased" and key in addresses:
            found[addresses[key]].append((at, "erased"))
    return found


def _queues(evidence: Evidence, answer: Answer) -> set[str]:
    """Those of every set of rules that was in force at some time since the score that decides was sent in."""
    tier = next((segment.partition(":")[2] for segment in answer.segments if segment.startswith("tier:")), "")
    since = moment(answer.last["begun_at"])
    allowed: set[str] = set()
    current: dict[str, str] = {}
    for entry in evidence.of_kind("routing"):
        if moment(entry["at"]) >= since:
            allowed.add(current.get(tier, "detractors"))
        current = entry["queues"]
    return allowed | {current.get(tier, "detractors")}


def _day(answer: Answer, revisions: Mapping[int, Mapping[str, Any]]) -> tuple[date, list[str]]:
    """The day an answer counts on: as its last revision says, which must lie between a request and its reply."""
    last = revisions.get(max(revisions, default=0))
    if last is None:
        return moment(answer.last["at"]).date(), [f"the answer {answer.id} has no revision that could be read"]
    answered_at = moment(last["answered_at"])
    spans = [(moment(entry["begun_at"]), moment(entry["at"])) for entry in answer.said]
    if not any(begun <= answered_at <= ended for begun, ended in spans):
        return answered_at.date(), [f"the answer {answer.id} says it was given at {answered_at}, when nobody gave it"]
    return answered_at.date(), []


def _alike(ours: float | None, theirs: float | None) -> bool:
    if ours is None or theirs is None:
        return ours is theirs
    return abs(ours - theirs) < 1e-6


def _digest(letter: Record) -> str | None:
    if letter.header("hearback-value") == "none":
        return None
    return hashlib.sha256(letter.value or b"").hexdigest()


__all__ = ["CHECKS", "WINDOWS", "Comparison", "recompute", "segments_to_ask"]
