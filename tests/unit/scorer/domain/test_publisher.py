"""A day's beginning is worked off by a walk over all segments, whatever comes in between."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from services.scorer.domain.publisher import BEFORE_ALL, Publisher, Walk, moment_in

DONE = Walk(to=None)
DAY = date(2026, 3, 1)


def test_a_day_begins_a_walk_over_all_segments() -> None:
    walk = DONE.started()
    assert walk.to == BEFORE_ALL
    walk = walk.after(200, more=True)
    assert walk.to == 200
    assert walk.after(321, more=False) == DONE


def test_a_day_that_begins_meanwhile_lets_the_walk_end_and_then_start_again() -> None:
    walk = DONE.started().after(200, more=True).started()
    assert walk.to == 200
    walk = walk.after(321, more=False)
    assert walk == Walk(to=BEFORE_ALL)
    assert walk.after(321, more=False) == DONE


def test_a_day_that_begins_before_the_first_segment_needs_no_second_walk() -> None:
    assert DONE.started().started() == Walk(to=BEFORE_ALL)


def test_sums_are_made_until_a_walk_has_been_everywhere() -> None:
    known = Publisher(last_day=None, walk=Walk(to=BEFORE_ALL), building=True, partly_folded=False).begun(DAY)
    known = known.walked(10, more=True)
    assert known.building and known.last_day == DAY
    assert not known.walked(12, more=False).building


def test_sums_exist_up_to_where_the_walk_that_makes_them_has_been() -> None:
    known = Publisher(last_day=DAY, walk=Walk(to=BEFORE_ALL), building=True, partly_folded=False)
    assert known.made_to == BEFORE_ALL
    assert known.walked(10, more=True).made_to == 10
    assert known.walked(12, more=False).made_to is None
    assert known.walked(12, more=False).begun(DAY).made_to is None, "a walk of another day makes none"


def test_scores_of_a_day_are_published_at_a_time_of_that_day() -> None:
    zone = ZoneInfo("America/Sao_Paulo")
    first, last = datetime(2026, 3, 1, 3, tzinfo=UTC), datetime(2026, 3, 2, 2, 59, 59, 999_999, tzinfo=UTC)
    assert moment_in(DAY, datetime(2026, 3, 1, 12, tzinfo=UTC), zone) == datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert moment_in(DAY, datetime(2026, 2, 28, 12, tzinfo=UTC), zone) == first
    assert moment_in(DAY, datetime(2026, 3, 2, 3, 0, 1, tzinfo=UTC), zone) == last


def test_a_day_whose_last_hour_comes_twice_ends_after_the_second() -> None:
    zone, saturday = ZoneInfo("America/Santiago"), date(2026, 4, 4)
    last = datetime(2026, 4, 5, 3, 59, 59, 999_999, tzinfo=UTC)
    for now in (datetime(2026, 4, 5, 2, 30, tzinfo=UTC), datetime(2026, 4, 5, 3, 30, tzinfo=UTC)):
        assert moment_in(saturday, now, zone) == now
    assert moment_in(saturday, datetime(2026, 4, 5, 4, tzinfo=UTC), zone) == last
