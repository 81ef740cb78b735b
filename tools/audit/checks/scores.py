"""Promise 2 as seen from outside: every published and served score, recomputed from the answers."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from itertools import accumulate
from typing import Any
from zoneinfo import ZoneInfo

from shared.contracts.scores import ANY_CAMPAIGN
from tools.audit.arithmetic import Counts, difference, figures
from tools.audit.facts import ScoreKey, Segment, Totals, TotalsByDay
from tools.audit.report import Check

WINDOW_DAYS = {"7d": 7, "30d": 30, "90d": 90, "365d": 365, "all": None}
ROUNDING = 0.0051
"""Scores and response rates in percent may be rounded to two decimals."""


class Windows:
    """Totals of any window, campaign and segment, from totals by day. Deliveries are known since ``delivered_from``."""

    def __init__(self, by_day: TotalsByDay, delivered_from: date = date.min) -> None:
        self._delivered_from = delivered_from
        days: defaultdict[tuple[str, str], defaultdict[date, Totals]] = defaultdict(lambda: defaultdict(Totals))
        for (segment, campaign, day), totals in by_day.items():
            for counted_under in {campaign, ANY_CAMPAIGN} - {""}:
                days[counted_under, segment_text(segment)][day] += totals
        self._cumulative: dict[tuple[str, str], list[tuple[date, Totals]]] = {}
        for key, of_day in days.items():
            ordered = sorted(of_day.items())
            running = accumulate((totals for _, totals in ordered), lambda one, other: one + other)
            self._cumulative[key] = list(zip((day for day, _ in ordered), running, strict=True))

    @property
    def keys(self) -> Iterable[ScoreKey]:
        return ((campaign, window, segment) for campaign, segment in self._cumulative for window in WINDOW_DAYS)

    def totals(self, key: ScoreKey, end: date) -> Totals:
        """Totals of the days (end − N, end]."""
        campaign, window, segment = key
        running = self._cumulative.get((campaign, segment), [])
        length = WINDOW_DAYS[window]
        upto = self._total_until(running, end)
        return upto if length is None else upto - self._total_until(running, end - timedelta(days=length))

    def totals_before(self, key: ScoreKey, end: date) -> Totals | None:
        """Totals of the preceding window of the same length; None for all time."""
        length = WINDOW_DAYS[key[1]]
        return None if length is None else self.totals(key, end - timedelta(days=length))

    def knows_delivered(self, key: ScoreKey, end: date) -> bool:
        """Whether Kafka still retains the deliveries of all surveys of this window."""
        length = WINDOW_DAYS[key[1]]
        if length is None:
            return self._delivered_from == date.min
        return end - timedelta(days=length) >= self._delivered_from

    @staticmethod
    def _total_until(running: list[tuple[date, Totals]], end: date) -> Totals:
        after = bisect_right(running, end, key=lambda entry: entry[0])
        return running[after - 1][1] if after else Totals()


def segment_text(segment: Segment) -> str:
    """``dimension:value``, with a colon in the dimension's name written as %3A."""
    dimension, value = segment
    if not dimension:
        return value
    return f"{dimension.replace('%', '%25').replace(':', '%3A')}:{value}"


def published(
    windows: Windows,
    scores: Mapping[ScoreKey, Mapping[str, Any]],
    now: datetime,
    zone: ZoneInfo,
    minimum_answers: int,
) -> Check:
    """The last record of every key on ``nps.scores`` is correct today; below ``minimum_answers`` it is held back.

    If it was published on an earlier day, the days since then must not have changed the score.
    """
    check = Check("published scores", 2)
    today = now.astimezone(zone).date()
    for key in set(windows.keys) | scores.keys():
        if key in scores:
            _compare(check, windows, key, today, scores[key], minimum_answers)
        else:
            check.expect_equal(
                f"{_label(key)}, which was never published", expected=windows.totals(key, today), found=Totals()
            )
    return check


def served(
    windows: Windows, responses: Mapping[ScoreKey, Mapping[str, Any]], zone: ZoneInfo, minimum_answers: int
) -> Check:
    """GET /v1/nps for each key, at the time the response names; below ``minimum_answers`` a score is held back."""
    check = Check("scores served over HTTP", 2)
    for key, given in responses.items():
        end = datetime.fromisoformat(given["at"]).astimezone(zone).date()
        _compare(check, windows, key, end, given, minimum_answers)
    return check


def _compare(
    check: Check, windows: Windows, key: ScoreKey, end: date, given: Mapping[str, Any], minimum_answers: int
) -> None:
    expected = windows.totals(key, end)
    counts = expected.counts
    found = Counts(promoters=given["promoters"], passives=given["passives"], detractors=given["detractors"])
    check.expect_equal(_label(key), expected=counts, found=found)
    if found != counts:
        return
    score = figures(counts)
    before = windows.totals_before(key, end)
    changed = difference(counts, before.counts) if before else None
    values: dict[str, float | None] = {
        "nps": score.nps,
        "low": score.low,
        "high": score.high,
        "n": counts.n,
        "held_back": counts.n < minimum_answers,
        "change": changed[0] if changed else None,
        "change_significant": changed[1] if changed else None,
    }
    if windows.knows_delivered(key, end):
        values["delivered"] = expected.delivered
        values["response_rate"] = 100 * expected.answered / expected.delivered if expected.delivered else None
        rate = given.get("response_rate")
        given = {**given, "response_rate": rate if rate is None else 100 * rate}
    else:
        check.left_out += 1
    wrong = [
        f"{name} recomputed {value}, found {other}"
        for name, value in values.items()
        if not _equal(value, other := given.get(name))
    ]
    if wrong:
        check.add_difference(f"{_label(key)}: {'; '.join(wrong)}")


def _equal(value: float | None, other: float | None) -> bool:
    return value == other or (value is not None and other is not None and abs(value - other) <= ROUNDING)


def _label(key: ScoreKey) -> str:
    campaign, window, segment = key
    return f"{segment} of {campaign} in {window}"
