"""Compares the values of a dimension, and which of them differ significantly."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from services.scorer.domain.scores import is_held_back
from services.scorer.domain.segments import write_segment
from shared.nps import Counts, NetPromoterScore, differs, net_promoter_score


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
    all. With ``find``, the page is one of all values that contain this text, in whatever case. ``ends`` is how many
    values to show of each end of what is compared, whichever page it is.
    """

    minimum: int
    most: int | None
    start: int
    limit: int
    find: str | None = None
    ends: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """The counts of a page of values, in order, and those at both ``ends``; of fewer values than two ends these are
    all, and if there are two ends of values that are not held back, only such.

    ``total`` is how many values have answers, on all pages and beyond ``most``; ``listed`` are on all pages. Of those
    that are ``compared``, ``tested`` are not held back.
    """

    counts: Sequence[tuple[str, Counts]]
    total: int
    tested: int
    ends: Sequence[tuple[str, Counts]] = ()
    listed: int = 0
    compared: int = 0


@dataclass(frozen=True, slots=True)
class Comparison:
    """A page of compared values, in order; the numbers as in ``Values``, ``among`` is how many are compared."""

    compared: list[Compared]
    total: int
    ends: list[Compared] = field(default_factory=list)
    listed: int = 0
    among: int = 0


NOTHING_COMPARED = Comparison([], 0)


def compare(dimension: str, values: Values, everybody: Counts, *, minimum: int) -> Comparison:
    """``everybody`` are all answers that the values are part of. The significance level is corrected for the number of
    values that are compared on all pages together (Bonferroni)."""

    def compared(value: str, counts: Counts) -> Compared:
        held_back = is_held_back(counts, minimum=minimum)
        return Compared(
            segment=write_segment((dimension, value)),
            value=value,
            score=net_promoter_score(counts),
            held_back=held_back,
            differs=None if held_back else differs(counts, everybody - counts, comparisons=values.tested),
        )

    return Comparison(
        compared=[compared(value, counts) for value, counts in values.counts],
        total=values.total,
        ends=[compared(value, counts) for value, counts in values.ends],
        listed=values.listed,
        among=values.compared,
    )
