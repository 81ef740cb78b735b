"""A window's score at the end of each of a series of days or weeks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from services.scorer.domain.scores import is_held_back
from services.scorer.domain.windows import rolling
from shared.contracts.scores import Window
from shared.nps import Counts, NetPromoterScore, net_promoter_score

Step = Literal["day", "week"]
STEP_DAYS: dict[Step, int] = {"day": 1, "week": 7}


@dataclass(frozen=True, slots=True)
class TrendPoint:
    """The score of the window whose last day is ``day``."""

    day: date
    score: NetPromoterScore
    held_back: bool


def trend_of(daily: Mapping[date, Counts], window: Window, ends: Sequence[date], *, minimum: int) -> list[TrendPoint]:
    """``daily`` has the counts of every day with answers in these windows; ``ends`` are their last days, ascending."""
    return [
        TrendPoint(point.day, net_promoter_score(point.counts), is_held_back(point.counts, minimum=minimum))
        for point in rolling(daily, window, ends)
    ]
