"""From places in the counts to what changes in them."""

from collections.abc import Sequence
from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from services.scorer.domain.tally import Tally, answer_place, answered_place, delivered_place
from shared.nps import Group

GROUPS: tuple[Group, ...] = ("promoter", "passive", "detractor")
GIVEN = st.tuples(
    st.integers(0, 2**31 - 1),
    st.dates(date(1969, 12, 31), date(2200, 1, 1)),
    st.sampled_from(GROUPS),
    st.lists(st.integers(1, 2**31 - 1), max_size=4, unique=True),
)
Given = tuple[int, date, Group, list[int]]


def places_of(answers: Sequence[Given]) -> list[int]:
    return [answer_place(campaign, day, group) for campaign, day, group, _ in answers]


@given(st.lists(GIVEN, max_size=30))
def test_each_answer_counts_once_in_each_of_its_places(answers: Sequence[Given]) -> None:
    tally = Tally()
    tally.add(places_of(answers), [(0, *one[3]) for one in answers])
    changes = sorted(tally.changes())
    assert [(change.segment_id, change.campaign_id, change.day) for change in changes] == sorted(
        {(segment, one[0], one[1]) for one in answers for segment in (0, *one[3])}
    )
    for change in changes:
        here = [
            one
            for one in answers
            if (one[0], one[1]) == (change.campaign_id, change.day) and change.segment_id in (0, *one[3])
        ]
        assert change.promoters == sum(one[2] == "promoter" for one in here)
        assert change.passives == sum(one[2] == "passive" for one in here)
        assert change.detractors == sum(one[2] == "detractor" for one in here)
        assert (change.delivered, change.answered) == (0, 0)


@given(st.lists(GIVEN, max_size=10))
def test_what_is_added_and_removed_again_changes_nothing(answers: Sequence[Given]) -> None:
    tally = Tally()
    places, segments = (
        places_of(answers),
        [one[3] for one in answers],
    )
    tally.add(places, segments)
    tally.remove(places, segments)
    assert tally.changes() == []


def test_a_promoter_who_becomes_a_detractor_moves() -> None:
    day = date(2026, 3, 1)
    tally = Tally()
    tally.add([answer_place(4, day, "detractor")], [(0,)])
    tally.remove([answer_place(4, day, "promoter")], [(0,)])
    (change,) = tally.changes()
    assert (change.promoters, change.passives, change.detractors) == (-1, 0, 1)


def test_surveys_are_counted_beside_answers() -> None:
    tally, day = Tally(), date(2026, 3, 1)
    tally.add([delivered_place(4, day)] * 2, [(0, 7)] * 2)
    tally.add([answered_place(4, day)], [(0, 7)])
    assert {(change.segment_id, change.delivered, change.answered, change.promoters) for change in tally.changes()} == {
        (0, 2, 1, 0),
        (7, 2, 1, 0),
    }
