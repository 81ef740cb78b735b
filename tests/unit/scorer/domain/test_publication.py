"""Which scores are published."""

from datetime import UTC, date, datetime

from services.scorer.domain.publication import (
    ALL_CAMPAIGNS,
    Publication,
    Published,
    ScoreKey,
    SumsBySpan,
    SumsKey,
    scores_to_publish,
    spans_ending,
)
from services.scorer.domain.scores import Sums
from services.scorer.domain.windows import days_before, window_days
from shared.contracts.scores import WINDOWS
from shared.nps import Counts

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEY = SumsKey(segment_id=7, campaign_id=3)
THIS_WEEK = {
    position: Sums(Counts(promoters=8, passives=1, detractors=1), delivered=5, answered=4) for position in range(5)
}
"""Ten answers, all in the last seven days, and so in every window."""


def publish(
    sums: dict[SumsKey, SumsBySpan], published: dict[ScoreKey, Published] | None = None, minimum: int = 10
) -> list[Publication]:
    return scores_to_publish(
        sums,
        published or {},
        segments={0: ("", "everybody"), 7: ("country", "BR")},
        campaigns={0: "", 3: "service-nps", 4: "*"},
        now=NOW,
        minimum=minimum,
    )


def as_published(publications: list[Publication]) -> dict[ScoreKey, Published]:
    return {one.key: Published(one.body.sequence, one.figures) for one in publications}


def test_spans_are_all_windows_and_then_those_before() -> None:
    today = date(2026, 3, 1)
    assert spans_ending(today) == [window_days(window, today) for window in WINDOWS] + [
        days_before(window, today) for window in WINDOWS if window != "all"
    ]


def test_every_window_of_each_campaign_and_of_all_together_is_published() -> None:
    found = publish({KEY: THIS_WEEK, SumsKey(segment_id=7, campaign_id=0): THIS_WEEK})
    assert [(one.body.campaign, one.body.window, one.body.segment) for one in found] == [
        (campaign, window, "country:BR") for campaign in ("*", "service-nps") for window in WINDOWS
    ]
    assert [one.body.n for one in found] == [20] * 5 + [10] * 5
    assert {(one.body.sequence, one.body.at, one.body.response_rate) for one in found} == {(1, NOW, 0.8)}
    assert [one.key.window_days for one in found[:5]] == [7, 30, 90, 365, 0]
    assert {one.key.campaign_id for one in found} == {ALL_CAMPAIGNS, 3}


def test_a_campaign_called_like_all_of_them_is_published_with_them_only() -> None:
    assert {one.key.campaign_id for one in publish({SumsKey(segment_id=0, campaign_id=4): THIS_WEEK})} == {
        ALL_CAMPAIGNS
    }


def test_what_did_not_change_is_not_published_again() -> None:
    first = publish({KEY: THIS_WEEK})
    assert publish({KEY: THIS_WEEK}, as_published(first)) == []


def test_what_changed_has_the_next_sequence() -> None:
    first = publish({KEY: THIS_WEEK})
    one_more = {
        position: some + Sums(Counts(detractors=1), delivered=0, answered=0) for position, some in THIS_WEEK.items()
    }
    second = publish({KEY: {**THIS_WEEK, 0: one_more[0]}}, as_published(first))
    assert {(one.body.window, one.body.sequence, one.body.n) for one in second} == {("7d", 2, 11)}


def test_another_minimum_is_published_because_it_changes_what_is_held_back() -> None:
    first = publish({KEY: THIS_WEEK})
    second = publish({KEY: THIS_WEEK}, as_published(first), minimum=11)
    assert len(second) == 10 and all(one.body.held_back for one in second)


def test_another_formula_is_published_because_the_same_counts_give_another_score() -> None:
    first = publish({KEY: THIS_WEEK})
    before = {key: Published(one.sequence, one.figures[:-1]) for key, one in as_published(first).items()}
    assert len(publish({KEY: THIS_WEEK}, before)) == 10


def test_a_score_whose_days_have_all_left_its_windows_falls_to_nothing_once() -> None:
    first = publish({KEY: THIS_WEEK})
    second = publish({}, as_published(first))
    assert len(second) == 10
    assert {(one.body.n, one.body.nps, one.body.sequence) for one in second} == {(0, None, 2)}
    assert publish({}, as_published(second)) == []


def test_nothing_is_not_worth_a_first_publication() -> None:
    assert publish({KEY: {}}) == []


def test_change_is_against_the_window_before_and_there_is_none_before_all_time() -> None:
    a_week_ago = {5: Sums(Counts(promoters=1, passives=1, detractors=8), delivered=0, answered=0)}
    found = {one.body.window: one.body for one in publish({KEY: {**THIS_WEEK, **a_week_ago}})}
    assert found["7d"].change == 140 and found["7d"].change_significant
    assert found["30d"].change is None and found["all"].change is None
