"""Routing rules: which queue an answer's case goes to, how soon to contact the customer, and what to do first.

The first match wins. Rules are written in YAML and validated as a whole when loaded, so that every answer has a queue.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from services.alerter.domain.case import Case
from shared import definitions
from shared.contracts.answers import Answer
from shared.contracts.types import Label, Score
from shared.definitions import Faulty
from shared.nps import SCORES, Group, group_of
from shared.segment_values import value_as_recorded
from shared.validation import MAX_EXPLAINED

MAX_BYTES = 100_000
MAX_QUEUE_TOPICS = 100
"""Of all queues there have ever been: a topic stays when its queue is removed from the rules, and costs the broker."""

QueueName = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,48}[a-z0-9])?$")]
_Text = Annotated[str, Field(min_length=1, max_length=500)]


class UnknownRootCause(ValueError):
    """The root cause is not in the routing rules' list."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class ScoreRange(_Strict):
    """Scores from ``from`` to ``to``, inclusive."""

    lowest: Score = Field(alias="from")
    highest: Score = Field(alias="to")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.lowest > self.highest:
            raise ValueError(f"from is {self.lowest} and to is {self.highest}; put the lower score first")
        return self


def _as_recorded(segments: dict[str, str]) -> dict[str, str]:
    return {dimension: value_as_recorded(dimension, value) or value for dimension, value in segments.items()}


class Rule(_Strict):
    """Matches an answer by its ``group`` or ``scores``, and by ``campaign`` and ``segments`` where given.

    ``segments`` is dimension to value; an answer with several values of a dimension matches if any of them does.
    ``sla_hours`` is the deadline for contacting the customer, in hours; None means no deadline.
    """

    name: Label
    queue: QueueName
    group: Group | None = None
    scores: ScoreRange | None = None
    campaign: Label | None = None
    segments: Annotated[dict[Label, Label], AfterValidator(_as_recorded)] = {}
    sla_hours: Annotated[float, Field(gt=0, le=8_760)] | None = None
    suggested_action: _Text

    @model_validator(mode="after")
    def _one_way_to_choose_scores(self) -> Self:
        if (self.group is None) == (self.scores is None):
            raise ValueError("give either group (detractor, passive, promoter) or scores (from, to), not both or none")
        return self

    def due_at(self, now: datetime) -> datetime | None:
        """The deadline of a case that is opened or reopened now."""
        return None if self.sla_hours is None else now + timedelta(hours=self.sla_hours)

    def covers(self) -> frozenset[int]:
        """The scores it may match."""
        if self.scores is not None:
            return frozenset(range(self.scores.lowest, self.scores.highest + 1))
        return frozenset(score for score in SCORES if group_of(score) == self.group)

    @property
    def unconditional(self) -> bool:
        return self.campaign is None and not self.segments

    def matches(self, answer: Answer) -> bool:
        if answer.score not in self.covers():
            return False
        if self.campaign is not None and answer.campaign != self.campaign:
            return False
        return all(_includes(answer.segments.get(dimension), value) for dimension, value in self.segments.items())


class Routing(_Strict):
    """``queues`` is name to title, in display order; ``rules`` are tried from the top.

    ``root_causes`` are the choices when closing a case.
    """

    queues: Annotated[dict[QueueName, _Text], Field(min_length=1, max_length=50)]
    rules: Annotated[list[Rule], Field(min_length=1, max_length=200)]
    root_causes: Annotated[list[Label], Field(max_length=50)] = []

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        found = _inconsistencies(self.rules, self.queues)
        missing = sorted(set(SCORES).difference(*(rule.covers() for rule in self.rules if rule.unconditional)))
        if missing:
            found.append(
                f"no rule matches every answer with score {', '.join(map(str, missing))}; "
                "add one for them without campaign and segments"
            )
        if found:
            raise ValueError("\n".join(found[:MAX_EXPLAINED]))
        return self

    def rule_for(self, answer: Answer) -> Rule:
        """The first rule that matches; there is always one."""
        return next(rule for rule in self.rules if rule.matches(answer))

    def rule_of(self, case: Case) -> Rule | None:
        """The rule that put a case into its queue; if it was removed, the one its answer matches now, if any."""
        named = next((rule for rule in self.rules if rule.name == case.rule), None)
        return self.rule_for(case.answer) if named is None and case.answer is not None else named

    def check_root_cause(self, root_cause: str | None) -> None:
        """Raises UnknownRootCause unless it is in the list, or None."""
        if root_cause is not None and root_cause not in self.root_causes:
            listed = ", ".join(self.root_causes) or "none"
            raise UnknownRootCause(f"{root_cause!r} is not among the root causes of the routing rules: {listed}")


@dataclass(frozen=True, slots=True)
class RoutingVersion:
    """Routing rules and their version."""

    version: int
    routing: Routing


def parse(text: str, *, where: str) -> Routing:
    """The rules in a YAML (or JSON) text. ``where`` is its file, for the message of InvalidDefinition."""
    return definitions.parse(text, Routing, where=where, max_bytes=MAX_BYTES, besides=_between_readable_rules)


def parse_stored(text: str) -> Routing:
    """The rules in a stored text: another version may have accepted it, an earlier one with aliases and with up to
    400,000 bytes, a newer one with fields that are unknown here."""
    return definitions.parse(text, Routing, where="the current routing rules", max_bytes=400_000, stored=True)


def _inconsistencies(rules: Iterable[Rule], queues: Collection[str] | None) -> list[str]:
    """What is wrong between rules, also if there are more; ``queues`` None: not known."""
    found = []
    names: set[str] = set()
    covered: set[int] = set()
    for rule in rules:
        if rule.name in names:
            found.append(f"two rules are named {rule.name!r}; rule names must be unique")
        names.add(rule.name)
        if queues is not None and rule.queue not in queues:
            found.append(f"rule {rule.name!r} names the queue {rule.queue!r}, which is not listed in queues")
        scores = rule.covers()
        if scores <= covered:
            found.append(
                f"rule {rule.name!r} can never apply: rules above it match all its scores; move it up or remove it"
            )
        if rule.sla_hours is None and any(group_of(score) == "detractor" for score in scores):
            found.append(f"rule {rule.name!r} matches detractors and has no sla_hours; add it, such as 24")
        if rule.unconditional:
            covered |= scores
    return found


def _between_readable_rules(faulty: Faulty) -> Sequence[str]:
    """What is wrong between the rules that can be read, while something else cannot."""
    rules, queues = faulty.written.get("rules"), faulty.written.get("queues")
    readable = [
        Rule.model_validate(rule)
        for place, rule in enumerate(rules if isinstance(rules, list) else ())
        if faulty.is_readable("rules", place)
    ]
    known = queues if isinstance(queues, dict) and faulty.is_readable("queues") else None
    return _inconsistencies(readable, known)[:MAX_EXPLAINED]


def _includes(values: str | list[str] | None, wanted: str) -> bool:
    return values is not None and (values == wanted or (isinstance(values, list) and wanted in values))
