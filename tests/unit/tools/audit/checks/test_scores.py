"""Scores and response rates, as published and as served, are recomputed from answers and deliveries."""

from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from shared import nps
from tools.audit.arithmetic import Counts
from tools.audit.checks import scores
from tools.audit.facts import EVERYBODY, Totals

ZONE = ZoneInfo("America/Sao_Paulo")
NOW = datetime(2026, 3, 8, 12, tzinfo=UTC)
KEY = ("a", "7d", "everybody")
MINIMUM = 4

BY_DAY = {
    (EVERYBODY, "a", date(2026, 2, 28)): Totals(delivered=8),
    (EVERYBODY, "a", date(2026, 3, 1)): Totals(Counts(promoters=3, detractors=1), answered=4),
    (EVERYBODY, "a", date(2026, 3, 7)): Totals(delivered=4),
    (EVERYBODY, "a", date(2026, 3, 8)): Totals(Counts(passives=2), answered=1),
    (EVERYBODY, "", date(2026, 3, 8)): Totals(Counts(promoters=1)),
    (("region", "SP"), "a", date(2026, 3, 8)): Totals(Counts(passives=2), answered=1),
}


@pytest.mark.parametrize(
    ("key", "end", "expected"),
    [
        (
            ("a", "7d", "everybody"),
            date(2026, 3, 8),
            Totals(Counts(passives=2), delivered=4, answered=1),
        ),  # the first lies on the open end
        (
            ("a", "7d", "everybody"),
            date(2026, 3, 7),
            Totals(Counts(promoters=3, detractors=1), delivered=4, answered=4),
        ),
        (
            ("a", "30d", "everybody"),
            date(2026, 3, 8),
            Totals(Counts(promoters=3, passives=2, detractors=1), delivered=12, answered=5),
        ),
        (
            ("*", "7d", "everybody"),
            date(2026, 3, 8),
            Totals(Counts(promoters=1, passives=2), delivered=4, answered=1),
        ),
        (
            ("*", "all", "everybody"),
            date(2030, 1, 1),
            Totals(Counts(promoters=4, passives=2, detractors=1), delivered=12, answered=5),
        ),
        (("a", "30d", "everybody"), date(2026, 4, 30), Totals()),
        (("a", "all", "region:SP"), date(2026, 3, 8), Totals(Counts(passives=2), answered=1)),
        (("a", "all", "region:RJ"), date(2026, 3, 8), Totals()),
    ],
)
def test_windows_are_recomputed(key: tuple[str, str, str], end: date, expected: Totals) -> None:
    assert scores.Windows(BY_DAY).totals(key, end) == expected


def as_published(now: Totals, before: Totals | None) -> dict[str, Any]:
    """As the product reckons it."""
    score = nps.net_promoter_score(_of_product(now.counts))
    difference = nps.change(score.counts, before=_of_product(before.counts)) if before else None
    return {
        "nps": score.nps, "low": score.low, "high": score.high, "n": now.counts.n,
        "promoters": now.counts.promoters, "passives": now.counts.passives, "detractors": now.counts.detractors,
        "held_back": now.counts.n < MINIMUM, "at": NOW.isoformat(),
        "delivered": now.delivered, "response_rate": now.answered / now.delivered if now.delivered else None,
        "change": difference.points if difference else None,
        "change_significant": difference.significant if difference else None,
    }  # fmt: skip


def _of_product(counts: Counts) -> nps.Counts:
    return nps.Counts(promoters=counts.promoters, passives=counts.passives, detractors=counts.detractors)


Scores = dict[tuple[str, str, str], dict[str, Any]]


def right(windows: scores.Windows, end: date) -> Scores:
    return {key: as_published(windows.totals(key, end), windows.totals_before(key, end)) for key in windows.keys}


def differences(windows: scores.Windows, given: Scores) -> tuple[int, int]:
    """Of the scores as published, and of the same as served."""
    return (
        scores.published(windows, given, NOW, ZONE, MINIMUM).differences,
        scores.served(windows, given, ZONE, MINIMUM).differences,
    )


def test_scores_that_are_right_are_clean() -> None:
    windows = scores.Windows(BY_DAY)
    assert differences(windows, right(windows, NOW.date())) == (0, 0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"passives": 3, "n": 3},
        {"nps": 1.0},
        {"high": 0.0},
        {"n": 3},
        {"change": 10.0},
        {"change_significant": True},
        {"delivered": 5},
        {"delivered": None},
        {"response_rate": 0.5},
        {"response_rate": None},
        {"held_back": False},
    ],
    ids=str,
)
def test_every_figure_that_is_wrong_is_found(wrong: dict[str, Any]) -> None:
    windows = scores.Windows(BY_DAY)
    given = right(windows, NOW.date())
    given[KEY] = {**given[KEY], **wrong}
    assert differences(windows, given) == (1, 1)


def test_all_errors_of_one_score_are_one_difference_in_a_stable_order() -> None:
    windows = scores.Windows(BY_DAY)
    given = {key: {**score, "nps": 1.0, "delivered": 5} for key, score in right(windows, NOW.date()).items()}
    check = scores.served(windows, given, ZONE, MINIMUM)
    assert check.differences == len(given)
    first = check.examples[0]
    assert first.startswith("everybody of * in 30d: nps recomputed ")
    assert first.endswith("found 1.0; delivered recomputed 12, found 5")
    assert check.examples == scores.served(windows, dict(reversed(given.items())), ZONE, MINIMUM).examples


def test_a_score_held_back_contrary_to_the_setting_is_found() -> None:
    windows = scores.Windows(BY_DAY)
    given = right(windows, NOW.date())
    assert scores.served(windows, given, ZONE, 2).differences > 0
    assert scores.published(windows, given, NOW, ZONE, 2).differences > 0


def test_response_rates_are_left_out_where_kafka_has_deleted_the_surveys() -> None:
    windows = scores.Windows(BY_DAY, delivered_from=date(2026, 3, 1))
    given = right(windows, NOW.date())
    for key in (KEY, ("a", "30d", "everybody"), ("a", "all", "everybody")):
        given[key] = {**given[key], "delivered": 99}
    check = scores.published(windows, given, NOW, ZONE, MINIMUM)
    assert check.differences == 1  # of the seven days that are known
    assert check.left_out > 0


def test_a_score_not_republished_after_the_day_changed_is_found() -> None:
    windows = scores.Windows(BY_DAY)
    assert scores.published(windows, right(windows, date(2026, 3, 7)), NOW, ZONE, MINIMUM).differences > 0


def test_a_score_that_was_never_published_is_found() -> None:
    windows = scores.Windows(BY_DAY)
    published = right(windows, NOW.date())
    del published["a", "all", "region:SP"]
    assert scores.published(windows, published, NOW, ZONE, MINIMUM).differences == 1
