"""What the journal says must have come of it, and what several checks need of it."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tests.faults.soak.evidence import Evidence, Record
from tests.faults.soak.journal import Entry

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


def erased_answers(evidence: Evidence) -> set[str]:
    """Answers to surveys of who was erased: the journal says who, the surveys about which orders."""
    orders = {order_id for entry in evidence.of_kind("erased") for order_id in entry["order_ids"]}
    customers = {entry["customer_id"] for entry in evidence.of_kind("erased")}
    surveys = {
        send_id
        for send_id, record in sends(evidence).items()
        if record.body["customer_id"] in customers or record.body["order_id"] in orders
    }
    return {entry["answer_id"] for entry in evidence.of_kind("answered") if entry["send_id"] in surveys}
