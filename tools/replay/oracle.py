"""The expected outcome of a replay, computed from the files alone: who is surveyed, when, and the resulting counts.

The shop's own rule: an order is surveyed when it was delivered or when its promised day is over, whichever comes
first, unless it was cancelled by then; and not before its first event. A replay's clock advances in steps, and
everything within a step happens at its end.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from shared.nps import Counts, group_of
from tools.replay.history import cancelled_at
from tools.replay.olist import PastAnswer, PastOrder

Delivery = Literal["on_time", "late"]


@dataclass(frozen=True, slots=True)
class Steps:
    """The times at which the clock stops: ``start`` and every ``length`` after it."""

    start: datetime
    length: timedelta

    def number(self, moment: datetime) -> int:
        """The first step at or after ``moment``."""
        return max(0, -((self.start - moment) // self.length))

    def moment(self, number: int) -> datetime:
        return self.start + number * self.length


@dataclass(frozen=True, slots=True)
class ExpectedSurvey:
    """An order that must be surveyed, in which step, and in which step each of its answers is given."""

    order: PastOrder
    step: int
    delivery: Delivery | None
    answers: tuple[tuple[int, PastAnswer], ...]

    @property
    def final_score(self) -> int | None:
        return self.answers[-1][1].score if self.answers else None

    @property
    def final_comment(self) -> str | None:
        """The last comment given; a later answer without a comment keeps it."""
        return next((answer.comment for _, answer in reversed(self.answers) if answer.comment), None)


def due_at(order: PastOrder) -> datetime | None:
    """None when it was neither delivered nor promised, and so is never surveyed."""
    moments = [moment for moment in (order.delivered_at, order.promised_at) if moment is not None]
    return max(min(moments), order.known_at) if moments else None


def delivery_of(order: PastOrder, known_at: datetime) -> Delivery | None:
    """On time if it is known by ``known_at`` to have been delivered by the promised day; None without a promise."""
    if order.promised_at is None:
        return None
    delivered = order.delivered_at
    return "on_time" if delivered and delivered <= order.promised_at and delivered <= known_at else "late"


def expected_surveys(orders: Iterable[PastOrder], steps: Steps) -> list[ExpectedSurvey]:
    """Every order that must be surveyed, by step."""
    found = []
    for order in orders:
        due = due_at(order)
        if due is None:
            continue
        step = steps.number(due)
        cancelled = cancelled_at(order)
        if cancelled is not None and steps.number(cancelled) <= step:
            continue
        sent_at = steps.moment(step)
        answers = tuple((steps.number(sent_at + answer.after), answer) for answer in order.answers)
        found.append(ExpectedSurvey(order, step, delivery_of(order, sent_at), answers))
    return sorted(found, key=lambda survey: (survey.step, survey.order.order_id))


def counts_by(surveys: Sequence[ExpectedSurvey], dimension: Literal["region", "delivery"]) -> dict[str, Counts]:
    """Final scores by group, for each value of a segment dimension."""
    groups: dict[str, Counter[str]] = {}
    for survey in surveys:
        value = survey.order.state if dimension == "region" else survey.delivery
        if survey.final_score is not None and value is not None:
            groups.setdefault(value, Counter())[group_of(survey.final_score)] += 1
    return {value: counts_of(groups[value]) for value in sorted(groups)}


def counts_of(groups: Counter[str]) -> Counts:
    return Counts(promoters=groups["promoter"], passives=groups["passive"], detractors=groups["detractor"])


def total(surveys: Sequence[ExpectedSurvey]) -> Counts:
    return counts_of(Counter(group_of(survey.final_score) for survey in surveys if survey.final_score is not None))
