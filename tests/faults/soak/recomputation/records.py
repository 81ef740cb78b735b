"""What is left on the topics, in the APIs and in the logs."""

import hashlib
import json
from collections import defaultdict

from tests.faults.soak.evidence import Evidence, Record
from tests.faults.soak.recomputation.expected import Comparison, erased_answers

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
            if record.value is None:
                last.pop(record.key, None)  # the key is removed
                continue
            last[record.key] = number = int(record.body[field])
            highest[record.key] = max(number, highest.get(record.key, 0))
        compared += len(last)
        problems += [
            f"{topic}: the last record of {(key or b'').decode()!r} has {field} {number}, an earlier one {highest[key]}"
            for key, number in last.items()
            if highest[key] != number
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
    """What is kept for good, and what is served, has neither an address nor a comment of who was erased.

    A mailbox that is another customer's, too, is still theirs.
    """
    gone_ids = {entry["customer_id"] for entry in evidence.of_kind("erased")}
    events = [entry for entry in evidence.of_kind("event") if entry["customer_id"] not in gone_ids]
    of_others = {(entry["body"]["customer"].get("email") or "").lower() for entry in events}
    erased = [
        entry for entry in evidence.of_kind("erased") if entry["address"] and entry["address"].lower() not in of_others
    ]
    gone = erased_answers(evidence)
    comments = {entry["comment"] for entry in evidence.of_kind("answered") if entry["answer_id"] in gone}
    words = {word.lower() for word in {entry["address"] for entry in erased} | comments if word}
    problems = []
    for topic in evidence.records:
        if topic not in NEWEST_BY and not topic.startswith("followups."):
            continue
        kept = {record.key: record for record in evidence.events(topic)}
        for record in kept.values():
            problems += [f"{topic} keeps {word}" for word in words if word.encode() in (record.value or b"").lower()]
    served = [(f"the case {case['case_id']}", case) for case in evidence.cases]
    served += [(f"a decision about {who}", one) for who, decisions in evidence.decisions.items() for one in decisions]
    for what, body in served:
        text = json.dumps(body, ensure_ascii=False).lower()
        problems += [f"{what} shows {word}" for word in words if word in text]
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


def _digest(letter: Record) -> str | None:
    if letter.header("hearback-value") == "none":
        return None
    return hashlib.sha256(letter.value or b"").hexdigest()
