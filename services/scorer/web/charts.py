"""The data of the two charts, embedded in the page for ``static/charts.js``."""

from typing import Any

from services.scorer.domain.comparisons import Compared
from services.scorer.domain.trends import TrendPoint

SEGMENTS_DRAWN = 20


def worth_drawing(trend: list[TrendPoint]) -> list[TrendPoint]:
    """Omits the beginning with too few answers: its wide intervals would flatten everything after it."""
    enough = [index for index, point in enumerate(trend) if not point.held_back]
    answered = [index for index, point in enumerate(trend) if point.score.nps is not None]
    return trend[(enough or answered or [0])[0] :]


def best_and_worst(compared: list[Compared]) -> list[Compared]:
    """Both ends of a long list, few enough to read; those with too few answers only if there is room."""
    enough = [one for one in compared if not one.held_back]
    if len(enough) <= SEGMENTS_DRAWN:
        return compared[:SEGMENTS_DRAWN]
    half = SEGMENTS_DRAWN // 2
    return enough[:half] + enough[-half:]


def chart_data(trend: list[TrendPoint], drawn: list[Compared], overall: float | None) -> dict[str, Any]:
    """``overall`` is the NPS of all segments together."""
    return {
        "trend": [
            {
                "day": point.day.isoformat(),
                "nps": point.score.nps,
                "low": point.score.low if point.score.nps is not None else None,
                "high": point.score.high if point.score.nps is not None else None,
                "n": point.score.counts.n,
            }
            for point in trend
        ],
        "segments": [
            {
                "value": one.value,
                "nps": one.score.nps,
                "low": one.score.low,
                "high": one.score.high,
                "n": one.score.counts.n,
                "held_back": one.held_back,
                "differs": one.differs,
            }
            for one in drawn
        ],
        "overall": overall,
    }
