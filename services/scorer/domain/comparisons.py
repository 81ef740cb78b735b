"""Compares the values of a dimension, and which of them differ significantly."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.scorer.domain.scores import is_held_back
from services.scorer.domain.segments import write_segment
from shared.nps import Counts, NetPromoterScore, change, net_promoter_score


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One value of a dimension. ``differs`` is whether it differs significantly from all the others together; None when
    it is held back or there are no others."""

    segment: str
    value: str
    score: NetPromoterScore
    held_back: bool
    differs: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ValuesPage:
    """Which values to compare, best score first, those held back last: ``limit`` of them from number ``start`` on.

    Fewer than ``minimum`` answers are held back. Only the ``most`` values with the most answers are compared, None for
    all.
    """

    minimum: int
    most: int | None
    start: int
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """The counts of a page of values, in order; ``total`` is how many values have answers, on all pages and beyond
    ``most``. ``tested`` of those that are compared are not held back."""

    counts: Sequence[tuple[str, Counts]]
    total: int
    tested: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """A page of compared values, in order; ``total`` as in ``Values``."""

    compared: list[Compared]
    total: int


NOTHING_COMPARED = Comparison([], 0)


def compare(dimension: str, values: Values, everybody: Counts, *, minimum: int) -> Comparison:
    """``everybody`` are all answers that the values are part of. The significance level is corrected for the number of
    values that are compared on all pages together (Bonferroni)."""
    compared = []
    for value, counts in values.counts:
        held_back = is_held_back(counts, minimum=minimum)
        difference = None if held_back else change(counts, before=everybody - counts, comparisons=values.tested)
        compared.append(
            Compared(
                segment=write_segment((dimension, value)),
                value=value,
                score=net_promoter_score(counts),
                held_back=held_back,
                differs=difference.significant if difference else None,
            )
        )
    return Comparison(compared, values.total)
