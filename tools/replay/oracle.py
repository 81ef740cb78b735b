"""What must come out of a replay, computed from the past alone: who is asked, when, and what their answers add up to.

The rule, as the shop of the data asked: an order is asked about when it was delivered or when the day it was promised
for is over, whichever comes first, unless it was cancelled by then; not before the first that is heard of it. The
clock of a replay moves in steps, and what happens within one step happens at its end.
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
    """Moments at which the clock stands still: ``start`` and every ``length`` after it."""

    start: datetime
    length: timedelta

    def number(self, moment: datetime) -> int:
        """The first step at or after ``moment``."""
        return max(0, -((self.start - moment) // self.length))

    def moment(self, number: int) -> datetime:
        return self.start + number * self.length


@dataclass(frozen=True, slots=True)
class Asked:
    """An order that must be asked about, at which step, and in which step each of its answers must be given."""

    order: PastOrder
    step: int
    delivery: Delivery | None
    answers: tuple[tuple[int, PastAnswer], ...]

    @property
    def final_score(self) -> int | None:
        return self.answers[-1][1].score if self.answers else None

    @property
    def final_comment(self) -> str | None:
        """The last comment given: a later answer without one does not take it back."""
        return next((answer.comment for _, answer in reversed(self.answers) if answer.comment), None)


def due_at(order: PastOrder) -> datetime | None:
    """None when it was neither delivered nor promised, and so is never asked about."""
    moments = [moment for moment in (order.delivered_at, order.promised_at) if moment is not None]
    return max(min(moments), order.known_at) if moments else None


def delivery_of(order: PastOrder, known_at: datetime) -> Delivery | None:
    """On time when it is known by ``known_at`` to have been delivered within the promised day; None without one."""
    if order.promised_at is None:
        return None
    delivered = order.delivered_at
    return "on_time" if delivered and delivered <= order.promised_at and delivered <= known_at else "late"


def asked(orders: Iterable[PastOrder], steps: Steps) -> list[Asked]:
    """Every order that must be asked about, by step."""
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
        found.append(Asked(order, step, delivery_of(order, sent_at), answers))
    return sorted(found, key=lambda ask: (ask.step, ask.order.order_id))


def counts_by(asks: Sequence[Asked], dimension: Literal["region", "delivery"]) -> dict[str, Counts]:
    """The groups of the final scores in each value of a segment dimension."""
    groups: dict[str, Counter[str]] = {}
    for ask in asks:
        value = ask.order.state if dimension == "region" else ask.delivery
        if ask.final_score is not None and value is not None:
            groups.setdefault(value, Counter())[group_of(ask.final_score)] += 1
    return {value: counts_of(groups[value]) for value in sorted(groups)}


def counts_of(groups: Counter[str]) -> Counts:
    return Counts(groups["promoter"], groups["passive"], groups["detractor"])


def total(asks: Sequence[Asked]) -> Counts:
    return counts_of(Counter(group_of(ask.final_score) for ask in asks if ask.final_score is not None))
