"""From a batch to what changes in the counts."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st

from services.scorer.domain.tally import Tally, delivered_place, key_of, newest, place
from shared.contracts.answers import Answer, AnswerErased

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def answer(answer_id: str, revision: int, score: int = 9) -> Answer:
    return Answer(answer_id=answer_id, revision=revision, score=score, answered_at=NOW, received_at=NOW)


def erased(answer_id: str, revision: int) -> AnswerErased:
    return AnswerErased(answer_id=answer_id, revision=revision, erased_at=NOW)


def test_a_canonical_uuid_is_its_own_key_and_other_spellings_are_other_answers() -> None:
    canonical = str(uuid4())
    assert key_of(canonical) == canonical
    spellings = [canonical, canonical.upper(), canonical.replace("-", ""), f"{{{canonical}}}", f"{canonical} ", "42"]
    assert len({key_of(spelling) for spelling in spellings}) == len(spellings)


def test_the_highest_revision_is_kept_and_an_erasure_wins_a_tie() -> None:
    assert newest([answer("a", 2), erased("a", 2), answer("a", 1)]) == {"a": erased("a", 2)}
    assert newest([erased("a", 2), answer("a", 2)]) == {"a": erased("a", 2)}
    assert newest([erased("a", 2), answer("a", 3)]) == {"a": answer("a", 3)}


GIVEN = st.tuples(
    st.integers(0, 2**31 - 1),
    st.dates(date(1969, 12, 31), date(2200, 1, 1)),
    st.integers(0, 10),
    st.booleans(),
    st.lists(st.integers(1, 2**31 - 1), max_size=4, unique=True),
)
Given = tuple[int, date, int, bool, list[int]]


@given(st.lists(GIVEN, max_size=30))
def test_each_answer_counts_once_in_each_of_its_places(answers: Sequence[Given]) -> None:
    tally = Tally()
    tally.add([place(*one[:4]) for one in answers], [(0, *one[4]) for one in answers])
    changes = tally.changes()
    assert [(change.segment_id, change.campaign_id, change.day) for change in changes] == sorted(
        {(segment, one[0], one[1]) for one in answers for segment in (0, *one[4])}
    )
    for change in changes:
        here = [
            one
            for one in answers
            if (one[0], one[1]) == (change.campaign_id, change.day) and change.segment_id in (0, *one[4])
        ]
        assert change.promoters == sum(one[2] >= 9 for one in here)
        assert change.passives == sum(one[2] in (7, 8) for one in here)
        assert change.detractors == sum(one[2] <= 6 for one in here)
        assert change.surveyed == sum(one[3] for one in here)
        assert change.delivered == 0


@given(st.lists(GIVEN, max_size=10))
def test_what_is_added_and_removed_again_changes_nothing(answers: Sequence[Given]) -> None:
    tally = Tally()
    places, segments = [place(*one[:4]) for one in answers], [one[4] for one in answers]
    tally.add(places, segments)
    tally.remove(places, segments)
    assert tally.changes() == []


def test_a_promoter_who_becomes_a_detractor_moves() -> None:
    day = date(2026, 3, 1)
    tally = Tally()
    tally.add([place(4, day, 2, surveyed=True)], [(0,)])
    tally.remove([place(4, day, 10, surveyed=True)], [(0,)])
    (change,) = tally.changes()
    assert (change.promoters, change.passives, change.detractors, change.surveyed) == (-1, 0, 1, 0)


def test_delivered_surveys_are_counted_beside_answers() -> None:
    tally = Tally()
    tally.add([delivered_place(4, date(2026, 3, 1))] * 2, [(0, 7)] * 2)
    assert [(change.segment_id, change.delivered, change.promoters) for change in tally.changes()] == [
        (0, 2, 0),
        (7, 2, 0),
    ]
