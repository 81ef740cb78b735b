"""From a batch of answers to rows, and to what changes in the counts."""

from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from services.scorer.domain.answers import (
    AnswerBatch,
    AnswerRow,
    ReplacedAnswer,
    WrittenAnswers,
    batch_of,
    newest_revisions,
)
from services.scorer.domain.keys import key_of
from services.scorer.domain.tally import DayChange
from shared.contracts.answers import Answer, AnswerErased

NOW = datetime(2026, 3, 1, 1, 30, tzinfo=UTC)
DAY = date(2026, 2, 28)
SAO_PAULO = ZoneInfo("America/Sao_Paulo")


def answer(answer_id: str, revision: int = 1, score: int = 9, **more: Any) -> Answer:
    return Answer(answer_id=answer_id, revision=revision, score=score, answered_at=NOW, received_at=NOW, **more)


def erased(answer_id: str, revision: int) -> AnswerErased:
    return AnswerErased(answer_id=answer_id, revision=revision, erased_at=NOW)


def batch(*bodies: Answer | AnswerErased) -> AnswerBatch:
    """All of campaign 3, in everybody's segment and segment 7."""
    newest = newest_revisions(bodies)
    given = [body for _, body in newest if isinstance(body, Answer)]
    return batch_of(newest, campaign_ids=[3] * len(given), segment_ids=[(0, 7)] * len(given), zone=SAO_PAULO)


def in_both_segments(*, promoters: int = 0, detractors: int = 0, surveyed: int = 0) -> list[DayChange]:
    """What changes on DAY, for campaign 3, in everybody's segment and segment 7."""
    return [
        DayChange(
            segment_id=segment_id,
            campaign_id=3,
            day=DAY,
            promoters=promoters,
            passives=0,
            detractors=detractors,
            surveyed=surveyed,
            delivered=0,
        )
        for segment_id in (0, 7)
    ]


def test_the_highest_revision_is_kept_and_an_erasure_wins_a_tie() -> None:
    key = key_of("a")
    assert newest_revisions([answer("a", 2), erased("a", 2), answer("a", 1)]) == [(key, erased("a", 2))]
    assert newest_revisions([erased("a", 2), answer("a", 2)]) == [(key, erased("a", 2))]
    assert newest_revisions([erased("a", 2), answer("a", 3)]) == [(key, answer("a", 3))]


def test_answers_ascend_by_key() -> None:
    keys = [key for key, _ in newest_revisions([answer(f"answer {number}") for number in range(30)])]
    assert keys == sorted(keys) and len(keys) == 30


def test_a_row_is_an_answer_on_its_day_in_the_shops_zone() -> None:
    assert batch(answer("a", send_id="s")).rows == [
        AnswerRow(key=key_of("a"), revision=1, campaign_id=3, day=DAY, score=9, surveyed=True, segment_ids=(0, 7))
    ]
    assert batch(answer("a", score=2)).rows == [
        AnswerRow(key=key_of("a"), revision=1, campaign_id=3, day=DAY, score=2, surveyed=False, segment_ids=(0, 7))
    ]


def test_an_erased_answer_keeps_its_key_and_revision_only() -> None:
    found = batch(erased("a", 4), answer("b"))
    assert (
        AnswerRow(key=key_of("a"), revision=4, campaign_id=None, day=None, score=None, surveyed=None, segment_ids=None)
        in found.rows
    )
    assert found.keys == [key_of("b")]


def test_answers_that_are_written_count_in_each_of_their_segments() -> None:
    changes = batch(answer("a", score=9), answer("b", score=2, send_id="s")).changes(WrittenAnswers(None, []))
    assert changes == in_both_segments(promoters=1, detractors=1, surveyed=1)


def test_answers_refused_as_older_than_stored_do_not_count() -> None:
    written = WrittenAnswers(frozenset([key_of("b")]), [])
    found = batch(answer("a", score=9, comment="good"), answer("b", score=2, comment="bad"))
    assert found.changes(written) == in_both_segments(detractors=1)
    assert [new.comment for new in found.comments_of(written)] == ["bad"]


def test_what_an_answer_counted_before_is_taken_away() -> None:
    was = ReplacedAnswer(key=key_of("a"), campaign_id=3, day=DAY, score=10, surveyed=True, segment_ids=[0, 7])
    assert batch(answer("a", 2, score=1, send_id="s")).changes(WrittenAnswers(None, [was])) == in_both_segments(
        promoters=-1, detractors=1
    )
    assert batch(erased("a", 2)).changes(WrittenAnswers(None, [was])) == in_both_segments(promoters=-1, surveyed=-1)
    assert batch(answer("a", 2, score=10, send_id="s")).changes(WrittenAnswers(None, [was])) == []


def test_an_answer_that_was_erased_counted_nothing_before() -> None:
    was = ReplacedAnswer(key=key_of("a"), campaign_id=None, day=None, score=None, surveyed=None, segment_ids=None)
    assert batch(answer("a", 9)).changes(WrittenAnswers(None, [was])) == in_both_segments(promoters=1)


def test_comments_of_nothing_but_space_are_none() -> None:
    given = batch(answer("a", comment="late"), answer("b", comment=" \n"), answer("c", comment=""), answer("d"))
    (new,) = given.comments_of(WrittenAnswers(None, []))
    assert (new.key, new.day, new.campaign_id, new.segment_ids, new.comment) == (key_of("a"), DAY, 3, (0, 7), "late")
