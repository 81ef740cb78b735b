"""Routing rules: which queue an answer's case goes to, how soon somebody should answer, and what to do.

The first rule that fits decides. Rules are written in YAML and checked as a whole when loaded, so that no answer can
ever be without a queue.
"""

from datetime import datetime, timedelta
from typing import Annotated, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from shared.contracts.answers import Answer
from shared.contracts.types import Label, Score
from shared.nps import Group, group_of

ALL_SCORES = range(11)
MOST_BYTES = 100_000

QueueName = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,48}[a-z0-9])?$")]
_WORDS = Annotated[str, Field(min_length=1, max_length=500)]


class RoutingError(ValueError):
    """The rules cannot be used; the message names the rule, the field and the way out."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class ScoreRange(_Strict):
    """Scores from ``from`` to ``to``, both included."""

    lowest: Score = Field(alias="from")
    highest: Score = Field(alias="to")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.lowest > self.highest:
            raise ValueError(f"from is {self.lowest} and to is {self.highest}; put the lower score first")
        return self


class Rule(_Strict):
    """Fits an answer by its ``group`` or ``scores``, and by ``campaign`` and ``segments`` where given.

    ``segments`` is dimension to value; an answer in several values of a dimension fits when one of them is it.
    ``sla_hours`` is how soon staff should have contacted the customer; without it there is no deadline.
    """

    name: Label
    queue: QueueName
    group: Group | None = None
    scores: ScoreRange | None = None
    campaign: Label | None = None
    segments: dict[Label, Label] = {}
    sla_hours: Annotated[float, Field(gt=0, le=8_760)] | None = None
    suggested_action: _WORDS

    @model_validator(mode="after")
    def _one_way_to_choose_scores(self) -> Self:
        if (self.group is None) == (self.scores is None):
            raise ValueError("give either group (detractor, passive, promoter) or scores (from, to), not both or none")
        return self

    @property
    def sla(self) -> timedelta | None:
        return None if self.sla_hours is None else timedelta(hours=self.sla_hours)

    def due_at(self, now: datetime) -> datetime | None:
        """The deadline of a case that starts to wait now."""
        return None if self.sla is None else now + self.sla

    def covers(self) -> frozenset[int]:
        """The scores it may fit."""
        if self.scores is not None:
            return frozenset(range(self.scores.lowest, self.scores.highest + 1))
        return frozenset(score for score in ALL_SCORES if group_of(score) == self.group)

    @property
    def unconditional(self) -> bool:
        return self.campaign is None and not self.segments

    def fits(self, answer: Answer) -> bool:
        if answer.score not in self.covers():
            return False
        if self.campaign is not None and answer.campaign != self.campaign:
            return False
        return all(_holds(answer.segments.get(dimension), value) for dimension, value in self.segments.items())


class Routing(_Strict):
    """``queues`` is name to title, in the order staff see them; ``rules`` are tried from the top.

    ``root_causes`` are offered when a case is closed.
    """

    queues: Annotated[dict[QueueName, _WORDS], Field(min_length=1, max_length=50)]
    rules: Annotated[list[Rule], Field(min_length=1, max_length=200)]
    root_causes: Annotated[list[Label], Field(max_length=50)] = []

    @model_validator(mode="after")
    def _whole(self) -> Self:
        names: set[str] = set()
        certain: set[int] = set()
        for rule in self.rules:
            if rule.name in names:
                raise ValueError(f"two rules are named {rule.name!r}; give each a name of its own")
            names.add(rule.name)
            if rule.queue not in self.queues:
                raise ValueError(f"rule {rule.name!r} names the queue {rule.queue!r}, which queues does not list")
            scores = rule.covers()
            if scores <= certain:
                raise ValueError(
                    f"rule {rule.name!r} can never apply, rules above it take all its scores; move it up or remove it"
                )
            if rule.sla_hours is None and any(group_of(score) == "detractor" for score in scores):
                raise ValueError(f"rule {rule.name!r} takes detractors and has no sla_hours; add it, such as 24")
            if rule.unconditional:
                certain |= scores
        missing = sorted(set(ALL_SCORES) - certain)
        if missing:
            raise ValueError(
                f"no rule takes every answer with score {', '.join(map(str, missing))}; "
                "add one for them without campaign and segments"
            )
        return self

    def rule_for(self, answer: Answer) -> Rule:
        """The first rule that fits; there is always one."""
        return next(rule for rule in self.rules if rule.fits(answer))

    def rule_named(self, name: str | None) -> Rule | None:
        return next((rule for rule in self.rules if rule.name == name), None)


def parse(text: str) -> Routing:
    """The rules in a YAML (or JSON) text; RoutingError when they cannot be used."""
    if len(text) > MOST_BYTES:
        raise RoutingError(f"the text is longer than {MOST_BYTES} characters; routing rules are a page or two")
    try:
        written = yaml.safe_load(text)
    except RecursionError as error:
        raise RoutingError("is nested too deeply; routing rules have three levels") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = "" if mark is None else f" in line {mark.line + 1}"
        raise RoutingError(f"is not YAML{place}: {getattr(error, 'problem', None) or 'unreadable'}") from error
    try:
        return Routing.model_validate(written)
    except ValidationError as error:
        raise RoutingError(_explain(error)) from error


def _explain(error: ValidationError) -> str:
    lines = []
    for violation in error.errors(include_url=False)[:5]:
        field = ".".join(str(part) for part in violation["loc"])
        message = violation["msg"].removeprefix("Value error, ")
        shown = violation["input"]
        value = f" (it is {shown!r})" if isinstance(shown, (str, int, float, bool)) else ""
        lines.append(f"{field}: {message}{value}" if field else message)
    return "; ".join(lines)


def _holds(values: str | list[str] | None, wanted: str) -> bool:
    return values is not None and (values == wanted or (isinstance(values, list) and wanted in values))
