"""From counts to a score, with its interval, change and response rate."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from datetime import date

from services.scorer.domain.windows import Days
from shared.nps import Change, Counts, NetPromoterScore, change, net_promoter_score


@dataclass(frozen=True, slots=True)
class Sums:
    """``counts`` are the answers given on these days; ``delivered`` surveys were sent on them, or None if unknown, and
    ``answered`` of these were answered, on whatever day."""

    counts: Counts
    _: KW_ONLY
    delivered: int | None
    answered: int

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(
            self.counts + other.counts,
            delivered=(self.delivered or 0) + (other.delivered or 0),
            answered=self.answered + other.answered,
        )

    @property
    def response_rate(self) -> float | None:
        """The share of the surveys delivered that were answered, at most 1; None without any delivered."""
        return self.answered / self.delivered if self.delivered else None


NOTHING = Sums(Counts(), delivered=0, answered=0)


def sums_on(daily: Mapping[date, Sums], span: Days) -> Sums:
    """What the days of ``span`` add up to; surveys delivered are unknown if they are of any day."""
    days = [sums for day, sums in daily.items() if span.after < day <= span.end]
    delivered = [sums.delivered for sums in days if sums.delivered is not None]
    return Sums(
        Counts(
            promoters=sum(sums.counts.promoters for sums in days),
            passives=sum(sums.counts.passives for sums in days),
            detractors=sum(sums.counts.detractors for sums in days),
        ),
        delivered=sum(delivered) if len(delivered) == len(days) else None,
        answered=sum(sums.answered for sums in days),
    )


@dataclass(frozen=True, slots=True)
class WindowScore:
    """``change`` is the difference to the preceding window of the same length; None if there is none or one is empty.

    ``held_back`` marks a score based on too few answers to be meaningful.
    """

    score: NetPromoterScore
    change: Change | None
    response_rate: float | None
    delivered: int | None
    held_back: bool


def window_score(current: Sums, *, before: Sums | None, minimum: int) -> WindowScore:
    """The score of a window. ``before`` is None if there is no preceding window; ``minimum`` as in ``is_held_back``."""
    return WindowScore(
        net_promoter_score(current.counts),
        change(current.counts, before=before.counts) if before is not None else None,
        current.response_rate,
        current.delivered,
        is_held_back(current.counts, minimum=minimum),
    )


def is_held_back(counts: Counts, *, minimum: int) -> bool:
    """Whether there are fewer than ``minimum`` answers: too few for the score to be meaningful."""
    return counts.n < minimum
