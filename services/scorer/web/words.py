"""The NPS in words, for the dashboard."""

from collections.abc import Sequence
from datetime import date

from services.scorer.domain.scores import WindowScore
from shared.contracts.scores import WINDOW_DAYS, Window
from shared.nps import NetPromoterScore, rounded

COMMENT_SHOWN = 400
DATABASE_AWAY = "The database is not responding. Nothing is lost; try again shortly."
WINDOW_LABELS: dict[Window, str] = {
    "7d": "7 days",
    "30d": "30 days",
    "90d": "90 days",
    "365d": "365 days",
    "all": "All time",
}


def points(value: float | None, signed: bool = False) -> str:
    """A score without false precision: whole points, with a real minus sign; – if there is none."""
    if value is None:
        return "–"
    whole = int(rounded(value))
    sign = "−" if whole < 0 else "+" if signed and whole > 0 else ""
    return f"{sign}{abs(whole)}"


def title(nps: float | None, shop: str) -> str:
    return f"{points(nps)} · NPS of {shop}"


def interval(score: NetPromoterScore) -> str:
    return f"{points(score.low)} to {points(score.high)}"


def figures(score: NetPromoterScore) -> tuple[str, str, str, str]:
    """A row of a table: the NPS, the ends of its interval, and how many answers."""
    return points(score.nps), points(score.low), points(score.high), count(score.counts.n)


def in_short(score: NetPromoterScore) -> str:
    """For a chart, where one points at something."""
    return f"NPS {points(score.nps)} ({interval(score)}), {answers(score.counts.n)}"


def margin(score: NetPromoterScore) -> str:
    """What is shown beside the NPS: ± and half the interval, or the ends of an interval that is lopsided."""
    return interval(score) if score.lopsided else f"±{max(1, int(rounded(score.margin)))}"


def percentages(numbers: Sequence[int]) -> list[int]:
    """The shares of ``numbers``, not all 0, in whole percent that add up to 100 (the largest remainders are rounded
    up)."""
    total = sum(numbers)
    shares = [100 * number // total for number in numbers]
    by_remainder = sorted(range(len(numbers)), key=lambda at: (-(100 * numbers[at] % total), at))
    for at in by_remainder[: 100 - sum(shares)]:
        shares[at] += 1
    return shares


def response_sentence(rate: float, delivered: int) -> str:
    surveys = "1 delivered survey was" if delivered == 1 else f"{count(delivered)} delivered surveys were"
    return f"{rounded(100 * rate, 1):.1f}% of {surveys} answered."


def count(number: int) -> str:
    return f"{number:,}"


def answers(number: int) -> str:
    return "1 answer" if number == 1 else f"{count(number)} answers"


def beginning(comment: str) -> str:
    """The part of a comment shown at first: up to 400 characters in full, else the beginning, cut between words if
    possible."""
    if len(comment) <= COMMENT_SHOWN:
        return comment
    cut = comment[: COMMENT_SHOWN - 50]
    return (cut[: cut.rfind(" ")] if " " in cut[COMMENT_SHOWN // 2 :] else cut).rstrip() + "…"


def period(window: Window, end: date) -> str:
    length = WINDOW_DAYS[window]
    until = f"{end.day} {end:%B %Y}"
    return f"all answers up to {until}" if length is None else f"{length} days up to {until}"


def day_starts(timezone: str) -> str:
    return f"Days start at midnight, {timezone} time"


def change_sentence(current: WindowScore, window: Window) -> str:
    """Whether the NPS is changing, and whether significantly."""
    if window == "all":
        return "All answers so far: there is no earlier period to compare with."
    before = f"the previous {WINDOW_DAYS[window]} days"
    if current.score.nps is None:
        return ""
    if current.change is None:
        return f"There were no answers in {before}, so there is nothing to compare with."
    moved = int(rounded(current.change.points))
    if moved == 0 and not current.change.significant:
        return f"Practically unchanged from {before}."
    direction = "Up" if current.change.points > 0 else "Down"
    size = "1 point" if abs(moved) == 1 else f"{max(1, abs(moved))} points"
    belief = "a significant change" if current.change.significant else "could be chance"
    return f"{direction} {size} from {before}: {belief}."


def differs(value: bool | None) -> str:
    """For one segment compared with all the others together."""
    return "too few answers" if value is None else "significantly different" if value else "could be chance"
