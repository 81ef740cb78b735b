"""From a batch of answers to rows, and to what changes in the counts."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from services.scorer.domain.answers import (
    AnswerBatch,
    AnswerRow,
    GivenAnswer,
    ReplacedAnswer,
    WrittenAnswers,
    batch_of,
    counts_as,
    newest_comments,
    newest_revisions,
    rounds,
)
from services.scorer.domain.tally import DayChange, Tally
from shared.contracts.answers import Answer, AnswerErased, StillCounted
from shared.contracts.identity import key_of

NOW = datetime(2026, 3, 1, 1, 30, tzinfo=UTC)
DAY = date(2026, 2, 28)
SAO_PAULO = ZoneInfo("America/Sao_Paulo")


def answer(answer_id: str, revision: int = 1, score: int = 9, **more: Any) -> GivenAnswer:
    return GivenAnswer.of(
        Answer(answer_id=answer_id, revision=revision, score=score, answered_at=NOW, received_at=NOW, **more)
    )


def erased(answer_id: str, revision: int, counted: StillCounted | None = None) -> AnswerErased:
    return AnswerErased(answer_id=answer_id, revision=revision, erased_at=NOW, counted=counted)


DETRACTOR = StillCounted(group="detractor", day=DAY, surveyed=True)


def changes(batch: AnswerBatch, written: WrittenAnswers) -> list[DayChange]:
    tally = Tally()
    batch.count(tally, written)
    return sorted(tally.changes())


def was(score: int | None, **more: Any) -> ReplacedAnswer:
    """Answer "a" before."""
    state: dict[str, Any] = {
        "campaign_id": 3,
        "day": DAY,
        "segment_ids": [0, 7],
        "erased_group": None,
        "erased_now": False,
    }
    return ReplacedAnswer(key=key_of("a"), score=score, **{**state, **more})


def batch(*bodies: GivenAnswer | AnswerErased) -> AnswerBatch:
    """All of campaign 3, in everybody's segment and segment 7."""
    newest = newest_revisions(bodies)
    given = [body for body in newest.values() if counts_as(body) is not None]
    return batch_of(newest, campaign_ids=[3] * len(given), segment_ids=[(0, 7)] * len(given), zone=SAO_PAULO)


def in_both_segments(*, promoters: int = 0, detractors: int = 0) -> list[DayChange]:
    """What changes on DAY, for campaign 3, in everybody's segment and segment 7."""
    return [
        DayChange(
            segment_id=segment_id,
            campaign_id=3,
            day=DAY,
            promoters=promoters,
            passives=0,
            detractors=detractors,
            delivered=0,
            answered=0,
        )
        for segment_id in (0, 7)
    ]


def test_the_highest_revision_is_kept_and_an_erasure_wins_a_tie() -> None:
    key = key_of("a")
    assert newest_revisions([answer("a", 2), erased("a", 2), answer("a", 1)]) == {key: erased("a", 2)}
    assert newest_revisions([erased("a", 2), answer("a", 2)]) == {key: erased("a", 2)}
    assert newest_revisions([erased("a", 2), answer("a", 3)]) == {key: answer("a", 3)}


def test_two_ids_with_one_key_are_one_answer() -> None:
    assert list(newest_revisions([answer("till-1"), answer(key_of("till-1"))])) == [key_of("till-1")]


def test_an_erasure_that_does_not_say_what_it_counts_as_is_stored_after_the_answer_it_erases() -> None:
    first, second = rounds([erased("a", 3), answer("a", 1), answer("a", 2), erased("b", 2, DETRACTOR), answer("b", 1)])
    assert first == {key_of("a"): answer("a", 2), key_of("b"): erased("b", 2, DETRACTOR)}
    assert second == {key_of("a"): erased("a", 3)}
    assert rounds([answer("a")]) == [{key_of("a"): answer("a")}]


def test_a_row_is_an_answer_on_its_day_in_the_shops_zone() -> None:
    assert batch(answer("a")).rows == [
        AnswerRow(key=key_of("a"), revision=1, campaign_id=3, day=DAY, score=9, segment_ids=(0, 7), erased_group=None)
    ]


def test_an_erased_answer_keeps_only_what_it_counts_as() -> None:
    (row,) = batch(erased("a", 4, DETRACTOR)).rows
    assert row == AnswerRow(
        key=key_of("a"), revision=4, campaign_id=3, day=DAY, score=None, segment_ids=(0, 7), erased_group="detractor"
    )
    found = batch(erased("a", 4), answer("b"))
    assert AnswerRow(key_of("a"), 4, None, None, None, None, None) in found.rows
    assert found.keys == [key_of("b")]


def test_answers_that_are_written_count_in_each_of_their_segments() -> None:
    found = batch(answer("a", score=9), answer("b", score=2), erased("c", 2, DETRACTOR))
    assert changes(found, WrittenAnswers(None, [])) == in_both_segments(promoters=1, detractors=2)


def test_answers_refused_as_older_than_stored_do_not_count() -> None:
    written = WrittenAnswers(frozenset([key_of("b")]), [])
    found = batch(answer("a", score=9, comment="good"), answer("b", score=2, comment="bad"))
    assert changes(found, written) == in_both_segments(detractors=1)
    assert [new.comment for new in found.comments_of(written)] == ["bad"]


def test_what_an_answer_counted_before_is_taken_away() -> None:
    moved = changes(batch(answer("a", 2, score=1)), WrittenAnswers(None, [was(10)]))
    assert moved == in_both_segments(promoters=-1, detractors=1)
    assert changes(batch(answer("a", 2, score=10)), WrittenAnswers(None, [was(10)])) == []


def test_an_answer_that_is_erased_counts_as_before() -> None:
    assert changes(batch(erased("a", 2)), WrittenAnswers(None, [was(10, erased_now=True)])) == []
    assert changes(batch(erased("a", 2, DETRACTOR)), WrittenAnswers(None, [was(4, erased_now=True)])) == []
    again = was(None, erased_group="detractor", erased_now=True)
    assert changes(batch(erased("a", 3)), WrittenAnswers(None, [again])) == []
    assert changes(batch(erased("a", 3, DETRACTOR)), WrittenAnswers(None, [again])) == []


def test_a_late_answer_of_which_only_the_erasure_was_known_counts_without_its_comment() -> None:
    nothing_known = was(None, campaign_id=None, day=None, segment_ids=None, erased_now=True)
    late = batch(answer("a", comment="call me"))
    written = WrittenAnswers(None, [nothing_known])
    assert changes(late, written) == in_both_segments(promoters=1)
    assert late.comments_of(written) == []


def test_comments_of_nothing_but_space_are_none() -> None:
    given = batch(answer("a", comment="late"), answer("b", comment=" \n"), answer("c", comment=""), answer("d"))
    (new,) = given.comments_of(WrittenAnswers(None, []))
    assert (new.key, new.answer_id, new.day, new.campaign_id, new.segment_ids, new.comment) == (
        key_of("a"),
        "a",
        DAY,
        3,
        (0, 7),
        "late",
    )


def test_of_many_comments_only_the_newest_are_added() -> None:
    given = batch(answer("a", comment="1"), answer("b", comment="2"), answer("c", comment="3"))
    comments = [
        new._replace(answered_at=NOW - timedelta(minutes=int(new.comment)))
        for new in given.comments_of(WrittenAnswers(None, []))
    ]
    assert [new.comment for new in newest_comments(comments, 2)] == ["1", "2"]
    assert newest_comments(comments, 3) == comments
    assert newest_comments(comments, 0) == []
