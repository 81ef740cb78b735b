"""Promise 2 as the world sees it: every figure that was published or is served, computed again from the answers."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from itertools import accumulate
from typing import Any
from zoneinfo import ZoneInfo

from deploy.audit.facts import CountsByDay, ScoreKey, Segment
from deploy.audit.report import Check
from shared.nps import Counts, net_promoter_score

WINDOW_DAYS = {"7d": 7, "30d": 30, "90d": 90, "365d": 365, "all": None}
ALL_CAMPAIGNS = "*"
ROUNDING = 0.0051
"""Points may be served with two decimals."""


class Windows:
    """The counts of any window, campaign and segment, from counts by day."""

    def __init__(self, by_day: CountsByDay) -> None:
        days: defaultdict[tuple[str, str], defaultdict[date, Counts]] = defaultdict(lambda: defaultdict(Counts))
        for (segment, campaign, day), counts in by_day.items():
            for counted_under in {campaign, ALL_CAMPAIGNS} - {""}:
                days[counted_under, written(segment)][day] += counts
        self._running: dict[tuple[str, str], list[tuple[date, Counts]]] = {}
        for key, of_day in days.items():
            ordered = sorted(of_day.items())
            totals = accumulate((counts for _, counts in ordered), lambda one, other: one + other)
            self._running[key] = list(zip((day for day, _ in ordered), totals, strict=True))

    @property
    def keys(self) -> Iterable[ScoreKey]:
        return ((campaign, window, segment) for campaign, segment in self._running for window in WINDOW_DAYS)

    def counts(self, key: ScoreKey, end: date) -> Counts:
        """The answers of the days (end − N, end]."""
        campaign, window, segment = key
        running = self._running.get((campaign, segment), [])
        length = WINDOW_DAYS[window]
        upto = self._until(running, end)
        if length is None:
            return upto
        before = self._until(running, end - timedelta(days=length))
        return Counts(
            upto.promoters - before.promoters,
            upto.passives - before.passives,
            upto.detractors - before.detractors,
        )

    @staticmethod
    def _until(running: list[tuple[date, Counts]], end: date) -> Counts:
        low, high = 0, len(running)
        while low < high:
            middle = (low + high) // 2
            if running[middle][0] <= end:
                low = middle + 1
            else:
                high = middle
        return running[low - 1][1] if low else Counts()


def written(segment: Segment) -> str:
    """``dimension:value``, with a colon in the dimension's own name written as %3A."""
    dimension, value = segment
    if not dimension:
        return value
    return f"{dimension.replace('%', '%25').replace(':', '%3A')}:{value}"


def published(windows: Windows, scores: Mapping[ScoreKey, Mapping[str, Any]], now: datetime, zone: ZoneInfo) -> Check:
    """The last record of every key on ``nps.scores`` says what is true today.

    Also where it was published on an earlier day: then the days that passed must have changed nothing.
    """
    check = Check("scores as published", 2)
    today = now.astimezone(zone).date()
    for key in set(windows.keys) | scores.keys():
        expected = windows.counts(key, today)
        if key in scores:
            _compare(check, f"{key[2]} of {key[0]} in {key[1]}", expected, scores[key])
        else:
            check.same(f"{key[2]} of {key[0]} in {key[1]}, which was never published", expected, Counts())
    return check


def served(windows: Windows, answers: Mapping[ScoreKey, Mapping[str, Any]], zone: ZoneInfo) -> Check:
    """What GET /v1/nps gave for each key, at the moment it names itself."""
    check = Check("scores as served over HTTP", 2)
    for key, given in answers.items():
        end = datetime.fromisoformat(given["at"]).astimezone(zone).date()
        _compare(check, f"{key[2]} of {key[0]} in {key[1]}", windows.counts(key, end), given)
    return check


def _compare(check: Check, subject: str, expected: Counts, given: Mapping[str, Any]) -> None:
    found = Counts(given["promoters"], given["passives"], given["detractors"])
    check.same(subject, expected, found)
    if found == expected:
        score = net_promoter_score(expected)
        figures = {"nps": score.nps, "low": score.low, "high": score.high, "n": expected.n}
        for name, value in figures.items():
            other = given.get(name)
            equal = value == other or (value is not None and other is not None and abs(value - other) <= ROUNDING)
            if not equal:
                check.differs(f"{subject}: {name} recomputed {value}, found {other}")
