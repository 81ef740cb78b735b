"""Queries for scores, as they are written in an address."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from services.scorer.domain.score_query import ScoreQuery
from services.scorer.domain.segments import BadSegment
from services.scorer.domain.windows import Days


def read(*segments: str, campaign: str | None = None) -> ScoreQuery:
    at = datetime(2026, 3, 1, 1, 30, tzinfo=UTC)
    return ScoreQuery.read(window="7d", segments=segments, campaign=campaign, at=at, zone=ZoneInfo("America/Sao_Paulo"))


def test_days_are_the_shops_own() -> None:
    assert read().last_day == date(2026, 2, 28)
    assert read().days == Days(after=date(2026, 2, 21), end=date(2026, 2, 28))


@pytest.mark.parametrize(
    ("segments", "label"),
    [
        ([], "everybody"),
        (["everybody"], "everybody"),
        (["country:BR", "everybody", "country:BR"], "country:BR"),
        (["country:BR", "tier:gold"], ["country:BR", "tier:gold"]),
    ],
)
def test_each_segment_counts_once_and_everybody_restricts_nothing(segments: list[str], label: str | list[str]) -> None:
    assert read(*segments).label == label


@pytest.mark.parametrize(("campaign", "meant"), [(None, None), ("", None), ("*", None), ("a", "a")])
def test_a_star_is_all_campaigns_together(campaign: str | None, meant: str | None) -> None:
    assert read(campaign=campaign).campaign == meant


def test_what_is_no_segment_is_refused() -> None:
    with pytest.raises(BadSegment):
        read("country")
