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


def compare(dimension: str, values: Sequence[tuple[str, Counts]], everybody: Counts, *, minimum: int) -> list[Compared]:
    """Best score first, those held back last.

    ``everybody`` are all answers that the values are part of. The significance level is corrected for the number of
    values that are not held back (Bonferroni).
    """
    tested = sum(not is_held_back(counts, minimum=minimum) for _, counts in values)
    compared = []
    for value, counts in values:
        held_back = is_held_back(counts, minimum=minimum)
        difference = None if held_back else change(counts, before=everybody - counts, comparisons=tested)
        compared.append(
            Compared(
                segment=write_segment((dimension, value)),
                value=value,
                score=net_promoter_score(counts),
                held_back=held_back,
                differs=difference.significant if difference else None,
            )
        )
    return sorted(compared, key=lambda one: (one.held_back, -(one.score.nps or 0), one.value))
