"""Which scores are published."""

from collections.abc import Sequence
from datetime import UTC, datetime

from services.scorer.domain.publication import (
    ALL_CAMPAIGNS,
    Key,
    Publication,
    Published,
    ScoreKey,
    Waiting,
    scores_to_publish,
)
from services.scorer.domain.windows import SPANS
from shared.contracts.scores import WINDOWS, Window

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SEGMENTS = {0: ("", "everybody"), 7: ("country", "BR")}
CAMPAIGNS = {ALL_CAMPAIGNS: None, 0: "", 3: "service-nps", 4: "*"}
KEYS = (Key(7, 3), Key(7, ALL_CAMPAIGNS))

Sums = dict[tuple[Window, bool], tuple[int, ...]]
"""By window, and whether it is the preceding one: promoters, passives, detractors, delivered, answered."""

THIS_WEEK: Sums = {(window, False): (8, 1, 1, 5, 4) for window in WINDOWS}
"""Ten answers, all in the last seven days, and so in every window."""


def waiting(key: Key, sums: Sums) -> Waiting:
    numbers: list[int] = []
    for span in SPANS:
        some = sums.get((span.window, span.before), (0, 0, 0, 0, 0))
        numbers.extend(some[:3] if span.before else some)
    return Waiting(
        key, since=NOW, segment=SEGMENTS[key.segment_id], campaign=CAMPAIGNS[key.campaign_id], sums=tuple(numbers)
    )


def publish(
    sums: Sums, published: dict[ScoreKey, Published] | None = None, *, minimum: int = 10, keys: Sequence[Key] = KEYS
) -> list[Publication]:
    return scores_to_publish([waiting(key, sums) for key in keys], published or {}, now=NOW, minimum=minimum)


def as_published(publications: list[Publication]) -> dict[ScoreKey, Published]:
    return {one.key: Published(one.body.sequence, one.figures) for one in publications}


def test_every_window_of_a_campaign_and_of_all_together_is_published() -> None:
    found = publish(THIS_WEEK)
    assert [(one.body.campaign, one.body.window, one.body.segment) for one in found] == [
        (campaign, window, "country:BR") for campaign in ("*", "service-nps") for window in WINDOWS
    ]
    assert {(one.body.sequence, one.body.at, one.body.n, one.body.delivered) for one in found} == {(1, NOW, 10, 5)}
    assert {(one.body.promoters, one.body.passives, one.body.detractors) for one in found} == {(8, 1, 1)}
    assert {one.body.response_rate for one in found} == {0.8}
    assert [one.key.window_days for one in found[:5]] == [7, 30, 90, 365, 0]
    assert {one.key.campaign_id for one in found} == {ALL_CAMPAIGNS, 3}


def test_answers_without_a_campaign_or_of_one_called_like_all_are_published_with_all_only() -> None:
    assert publish(THIS_WEEK, keys=[Key(0, 0), Key(0, 4)]) == []


def test_what_did_not_change_is_not_published_again() -> None:
    first = publish(THIS_WEEK)
    assert publish(THIS_WEEK, as_published(first)) == []


def test_what_changed_has_the_next_sequence() -> None:
    first = publish(THIS_WEEK)
    second = publish({**THIS_WEEK, ("7d", False): (8, 1, 2, 5, 4)}, as_published(first))
    assert {(one.body.window, one.body.sequence, one.body.n) for one in second} == {("7d", 2, 11)}


def test_another_minimum_is_published_because_it_changes_what_is_held_back() -> None:
    first = publish(THIS_WEEK)
    second = publish(THIS_WEEK, as_published(first), minimum=11)
    assert len(second) == 10 and all(one.body.held_back for one in second)


def test_another_formula_is_published_because_the_same_counts_give_another_score() -> None:
    first = publish(THIS_WEEK)
    before = {key: Published(one.sequence, one.figures[:-1]) for key, one in as_published(first).items()}
    assert len(publish(THIS_WEEK, before)) == 10


def test_a_score_whose_days_have_all_left_its_windows_falls_to_nothing_once() -> None:
    first = publish(THIS_WEEK)
    second = publish({}, as_published(first))
    assert len(second) == 10
    assert {(one.body.n, one.body.nps, one.body.sequence) for one in second} == {(0, None, 2)}
    assert publish({}, as_published(second)) == []


def test_nothing_is_not_worth_a_first_publication() -> None:
    assert publish({}) == []


def test_counts_before_matter_only_to_a_window_with_answers() -> None:
    before: Sums = {("7d", True): (1, 1, 8, 0, 0)}
    assert publish(before) == []
    emptied = as_published(publish({}, as_published(publish(THIS_WEEK))))
    assert publish(before, emptied) == []


def test_change_is_against_the_window_before_and_there_is_none_before_all_time() -> None:
    found = {one.body.window: one.body for one in publish({**THIS_WEEK, ("7d", True): (1, 1, 8, 0, 0)})}
    assert found["7d"].change == 140 and found["7d"].change_significant
    assert found["30d"].change is None and found["all"].change is None
