"""Figures in words, as the dashboard writes them."""

from datetime import date

from services.scorer.queries.scores import Figure
from shared.contracts.scores import WINDOW_DAYS, Window
from shared.nps import NetPromoterScore

COMMENT_SHOWN = 400
WINDOW_LABELS: dict[Window, str] = {
    "7d": "7 days",
    "30d": "30 days",
    "90d": "90 days",
    "365d": "365 days",
    "all": "All time",
}


def points(value: float | None, signed: bool = False) -> str:
    """A score without false precision: whole points, with a real minus sign; – where there is none."""
    if value is None:
        return "–"
    rounded = round(value)
    sign = "−" if rounded < 0 else "+" if signed and rounded > 0 else ""
    return f"{sign}{abs(rounded)}"


def margin(score: NetPromoterScore) -> str:
    return f"±{max(1, round(score.margin))}"


def count(number: int) -> str:
    return f"{number:,}"


def answers(number: int) -> str:
    return "1 answer" if number == 1 else f"{count(number)} answers"


def beginning(comment: str) -> str:
    """A comment as far as it is shown at once: whole up to 400 characters, else cut, if possible between words."""
    if len(comment) <= COMMENT_SHOWN:
        return comment
    cut = comment[: COMMENT_SHOWN - 50]
    return (cut[: cut.rfind(" ")] if " " in cut[COMMENT_SHOWN // 2 :] else cut).rstrip() + "…"


def period(window: Window, end: date) -> str:
    length = WINDOW_DAYS[window]
    until = f"{end.day} {end:%B %Y}"
    return f"all answers up to {until}" if length is None else f"{length} days up to {until}"


def change_sentence(figure: Figure, window: Window) -> str:
    """Whether it is changing, and whether to believe it."""
    if window == "all":
        return "All answers ever given: there is no earlier period to compare with."
    length = f"the {WINDOW_DAYS[window]} days before"
    if figure.score.nps is None:
        return ""
    if figure.change is None:
        return f"Nobody answered in {length}, so there is nothing to compare with."
    moved = round(figure.change.points)
    if moved == 0 and not figure.change.significant:
        return f"As good as unchanged against {length}."
    direction = "Up" if figure.change.points > 0 else "Down"
    size = "1 point" if abs(moved) == 1 else f"{max(1, abs(moved))} points"
    belief = "a real change" if figure.change.significant else "within chance"
    return f"{direction} {size} against {length}: {belief}."


def differs(value: bool | None) -> str:
    """For one segment against all the others together."""
    return "too few answers" if value is None else "really differs" if value else "within chance"
