"""Promise 2 as the world sees it: every figure that was published or is served, computed again from the answers."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from itertools import accumulate
from typing import Any
from zoneinfo import ZoneInfo

from shared.nps import Counts, change, net_promoter_score
from tools.audit.facts import Figures, FiguresByDay, ScoreKey, Segment
from tools.audit.report import Check

WINDOW_DAYS = {"7d": 7, "30d": 30, "90d": 90, "365d": 365, "all": None}
ALL_CAMPAIGNS = "*"
ROUNDING = 0.0051
"""Points, and the response rate in percent, may be served with two decimals."""


class Windows:
    """The figures of any window, campaign and segment, from those by day; deliveries are known from a day on."""

    def __init__(self, by_day: FiguresByDay, delivered_from: date = date.min) -> None:
        self._delivered_from = delivered_from
        days: defaultdict[tuple[str, str], defaultdict[date, Figures]] = defaultdict(lambda: defaultdict(Figures))
        for (segment, campaign, day), figures in by_day.items():
            for counted_under in {campaign, ALL_CAMPAIGNS} - {""}:
                days[counted_under, written(segment)][day] += figures
        self._running: dict[tuple[str, str], list[tuple[date, Figures]]] = {}
        for key, of_day in days.items():
            ordered = sorted(of_day.items())
            totals = accumulate((figures for _, figures in ordered), lambda one, other: one + other)
            self._running[key] = list(zip((day for day, _ in ordered), totals, strict=True))

    @property
    def keys(self) -> Iterable[ScoreKey]:
        return ((campaign, window, segment) for campaign, segment in self._running for window in WINDOW_DAYS)

    def figures(self, key: ScoreKey, end: date) -> Figures:
        """Of the days (end − N, end]."""
        campaign, window, segment = key
        running = self._running.get((campaign, segment), [])
        length = WINDOW_DAYS[window]
        upto = self._until(running, end)
        return upto if length is None else upto - self._until(running, end - timedelta(days=length))

    def figures_before(self, key: ScoreKey, end: date) -> Figures | None:
        """Of the window of the same length just before; None for all time, which has none."""
        length = WINDOW_DAYS[key[1]]
        return None if length is None else self.figures(key, end - timedelta(days=length))

    def knows_delivered(self, key: ScoreKey, end: date) -> bool:
        """Whether Kafka still keeps what became of all surveys of this window."""
        length = WINDOW_DAYS[key[1]]
        if length is None:
            return self._delivered_from == date.min
        return end - timedelta(days=length) >= self._delivered_from

    @staticmethod
    def _until(running: list[tuple[date, Figures]], end: date) -> Figures:
        after = bisect_right(running, end, key=lambda entry: entry[0])
        return running[after - 1][1] if after else Figures()


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
        if key in scores:
            _compare(check, windows, key, today, scores[key])
        else:
            check.same(f"{_named(key)}, which was never published", windows.figures(key, today), Figures())
    return check


def served(
    windows: Windows, answers: Mapping[ScoreKey, Mapping[str, Any]], zone: ZoneInfo, minimum_answers: int
) -> Check:
    """What GET /v1/nps gave for each key, at the moment it names itself; below ``minimum_answers`` it is held back."""
    check = Check("scores as served over HTTP", 2)
    for key, given in answers.items():
        end = datetime.fromisoformat(given["at"]).astimezone(zone).date()
        _compare(check, windows, key, end, given)
        if given["held_back"] != (given["n"] < minimum_answers):
            check.differs(f"{_named(key)}: n is {given['n']}, and held_back {given['held_back']}")
    return check


def _compare(check: Check, windows: Windows, key: ScoreKey, end: date, given: Mapping[str, Any]) -> None:
    expected = windows.figures(key, end)
    counts = expected.counts
    found = Counts(given["promoters"], given["passives"], given["detractors"])
    check.same(_named(key), counts, found)
    if found != counts:
        return
    score = net_promoter_score(counts)
    before = windows.figures_before(key, end)
    difference = change(counts, before.counts) if before else None
    figures: dict[str, float | None] = {
        "nps": score.nps,
        "low": score.low,
        "high": score.high,
        "n": counts.n,
        "change": difference.points if difference else None,
        "change_significant": difference.significant if difference else None,
    }
    if windows.knows_delivered(key, end):
        figures["delivered"] = expected.delivered
        figures["response_rate"] = 100 * expected.surveyed / expected.delivered if expected.delivered else None
        rate = given.get("response_rate")
        given = {**given, "response_rate": rate if rate is None else 100 * rate}
    else:
        check.left_out += 1
    wrong = [
        f"{name} recomputed {value}, found {other}"
        for name, value in figures.items()
        if not _equal(value, other := given.get(name))
    ]
    if wrong:
        check.differs(f"{_named(key)}: {'; '.join(wrong)}")


def _equal(value: float | None, other: float | None) -> bool:
    return value == other or (value is not None and other is not None and abs(value - other) <= ROUNDING)


def _named(key: ScoreKey) -> str:
    campaign, window, segment = key
    return f"{segment} of {campaign} in {window}"
