"""An answer is the sum of what was given: revisions grow one by one, and a repetition changes nothing.

What a client gives is accepted exactly or rejected with the field's name; nothing is guessed.
"""

import secrets
from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from fastapi.exceptions import RequestValidationError
from hypothesis import given
from hypothesis import strategies as st

from services.collector.domain.answers import (
    CLOCK_SKEW,
    AnswerParts,
    DirectAnswer,
    ScoreMissing,
    SurveyAnswer,
    TooManyFurtherAnswers,
    answer_after,
    erased_answer,
    form_score,
    is_in_the_future,
    time_ordered_id,
)
from shared.contracts.answers import Answer
from shared.web.forms import read_json

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
LATER = NOON + timedelta(days=2)


def recorded(given: AnswerParts | None = None) -> Answer:
    answer = answer_after(None, "a-1", given or {"score": 4, "comment": "late"}, NOON)
    assert answer is not None
    return answer


def test_a_first_score_is_revision_one_and_given_now() -> None:
    answer = recorded({"score": 0})
    assert (answer.revision, answer.score, answer.answered_at, answer.received_at) == (1, 0, NOON, NOON)


def test_a_comment_without_a_score_is_nothing_to_keep() -> None:
    with pytest.raises(ScoreMissing, match="score"):
        answer_after(None, "a-1", {"comment": "hello"}, NOON)


def test_a_comment_keeps_the_day_of_the_score() -> None:
    answer = answer_after(recorded(), "a-1", {"comment": "very late"}, LATER)
    assert answer is not None
    assert (answer.revision, answer.answered_at, answer.received_at) == (2, NOON, LATER)


@pytest.mark.parametrize("send_id", [None, "s-1"])
def test_an_erased_answer_is_a_count_on_the_shops_day_and_nothing_personal(send_id: str | None) -> None:
    given: AnswerParts = {
        "score": 7,
        "answered_at": datetime(2026, 11, 2, 1, 30, tzinfo=UTC),
        "customer_id": "c-42",
        "order_id": "o-1001",
        "comment": "late",
        "further_answers": {"delivery": "slow"},
        "locale": "pt-BR",
        "campaign": "till",
        "segments": {"country": "BR"},
    }
    if send_id is not None:
        given["send_id"] = send_id
    erased = erased_answer(recorded(given), LATER, ZoneInfo("America/Sao_Paulo"))
    assert erased.model_dump(mode="json") == {
        "answer_id": "a-1",
        "revision": 2,
        "erased_at": "2026-11-03T12:00:00Z",
        "counted": {
            "group": "passive",
            "day": "2026-11-01",
            "campaign": "till",
            "surveyed": send_id is not None,
            "segments": {"country": "BR"},
        },
    }


def test_another_score_moves_the_answer_to_the_day_it_was_given() -> None:
    answer = answer_after(recorded(), "a-1", {"score": 9}, LATER)
    assert answer is not None
    assert (answer.score, answer.comment, answer.answered_at) == (9, "late", LATER)


def test_another_score_with_a_moment_of_its_own_keeps_that_moment() -> None:
    answer = answer_after(recorded(), "a-1", {"score": 9, "answered_at": NOON}, LATER)
    assert answer is not None
    assert answer.answered_at == NOON


def test_the_same_again_changes_nothing() -> None:
    assert answer_after(recorded(), "a-1", {"score": 4}, LATER) is None
    assert answer_after(recorded(), "a-1", {"score": 4, "comment": "late"}, LATER) is None
    assert answer_after(recorded(), "a-1", {}, LATER) is None


def test_an_empty_comment_takes_the_comment_away_once() -> None:
    without = answer_after(recorded(), "a-1", {"comment": ""}, LATER)
    assert without is not None
    assert without.comment is None
    assert answer_after(without, "a-1", {"comment": ""}, LATER) is None


def test_further_answers_join_those_given_before() -> None:
    one = recorded({"score": 4, "further_answers": {"delivery": "slow"}})
    two = answer_after(one, "a-1", {"further_answers": {"packing": "fine"}}, LATER)
    assert two is not None
    assert two.further_answers == {"delivery": "slow", "packing": "fine"}
    assert answer_after(two, "a-1", {"further_answers": {"delivery": "slow"}}, LATER) is None


def test_further_answers_stay_within_the_contract_together() -> None:
    one = recorded({"score": 4, "further_answers": {f"q{number}": "x" for number in range(20)}})
    with pytest.raises(TooManyFurtherAnswers, match="further_answers"):
        answer_after(one, "a-1", {"further_answers": {"one more": "x"}}, LATER)


parts = st.fixed_dictionaries({}, optional={"score": st.integers(0, 10), "comment": st.sampled_from(["", "a", "b"])})


@given(st.lists(parts, max_size=12))
def test_whatever_is_said_the_last_word_of_each_part_stands(sayings: list[AnswerParts]) -> None:
    current: Answer | None = None
    score: int | None = None
    comment: str | None = None
    moment = NOON
    for said in sayings:
        moment += timedelta(hours=1)
        if score is None and "score" not in said:
            continue
        score = said.get("score", score)
        comment = (said["comment"] or None) if "comment" in said else comment
        before = current
        after = answer_after(current, "a-1", said, moment)
        if after is not None:
            assert after.revision == (before.revision if before else 0) + 1
            assert after.model_dump(exclude={"revision", "received_at"}) != (
                before and before.model_dump(exclude={"revision", "received_at"})
            )
            current = after
        assert current is not None
        assert (current.score, current.comment) == (score, comment)
        Answer.model_validate(current.model_dump())


def test_clocks_may_differ_a_little() -> None:
    assert not is_in_the_future(NOON + CLOCK_SKEW, now=NOON)
    assert is_in_the_future(NOON + CLOCK_SKEW + timedelta(microseconds=1), now=NOON)


def refused_field(body: str) -> str:
    with pytest.raises(RequestValidationError) as refused:
        read_json(body.encode(), DirectAnswer)
    violation = refused.value.errors()[0]
    assert "input" not in violation
    return ".".join(str(part) for part in violation["loc"][1:])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ("{}", "score"),
        ('{"score": 11}', "score"),
        ('{"score": -1}', "score"),
        ('{"score": "9"}', "score"),
        ('{"score": 9.5}', "score"),
        ('{"score": true}', "score"),
        ('{"score": null}', "score"),
        ('{"score": 9, "scores": 1}', "scores"),
        ('{"score": 9, "comment": "a\\u0000b"}', "comment"),
        ('{"score": 9, "answered_at": 1700000000}', "answered_at"),
        ('{"score": 9, "answered_at": "2026-11-01T09:30:00"}', "answered_at"),
        ('{"score": 9, "answered_at": "2026-11-01"}', "answered_at"),
        ('{"score": 9, "answered_at": "9999-12-31T23:59:59Z"}', "answered_at"),
        ('{"score": 9, "answer_id": ""}', "answer_id"),
        ('{"score": 9, "answer_id": "a\\nb"}', "answer_id"),
        ('{"score": 9, "channel": "pigeon"}', "channel"),
        ('{"score": 9, "comment": "' + "x" * 5_001 + '"}', "comment"),
        ('{"score": 9, "segments": {"country": []}}', "segments.country"),
        ("[1]", ""),
        ("not json", ""),
    ],
)
def test_what_is_wrong_is_named(body: str, field: str) -> None:
    assert refused_field(body).startswith(field)


def test_what_is_right_is_taken() -> None:
    body = read_json(
        b'{"score": 0, "answered_at": "2026-11-01T09:30:00-03:00",'
        b' "segments": {"country": "BR", "category": ["a", "b"]}}',
        DirectAnswer,
    )
    assert body.parts() == {
        "score": 0,
        "answered_at": datetime(2026, 11, 1, 12, 30, tzinfo=UTC),
        "segments": {"country": "BR", "category": ["a", "b"]},
    }


def test_a_part_left_out_is_not_given() -> None:
    assert read_json(b"{}", SurveyAnswer).parts() == {}
    assert read_json(b'{"comment": ""}', SurveyAnswer).parts() == {"comment": ""}


@given(st.text(max_size=4) | st.integers(-20, 200).map(str))
def test_a_forms_score_is_a_whole_number_from_0_to_10(written: str) -> None:
    score = form_score(written)
    assert score is None or str(score) == written
    if written in {str(number) for number in range(11)}:
        assert score == int(written)


def test_ids_follow_time() -> None:
    moments = [datetime(2026, 11, 1, 12, 0, 0, milliseconds * 1000, tzinfo=UTC) for milliseconds in range(50)]
    ids = [time_ordered_id(moment, randomness=secrets.randbits(74)) for moment in moments]
    assert ids == sorted(ids)
    assert len({time_ordered_id(moments[0], randomness=secrets.randbits(74)) for _ in range(1000)}) == 1000
    assert UUID(ids[0]).version == 7


def test_segments_of_a_direct_answer_are_spelt_as_an_orders_are() -> None:
    written = '{"score": 9, "segments": {"country": "br", "region": "Sa\u0303o Paulo", "category": [" toys", "toys"]}}'
    body = DirectAnswer.model_validate_json(written)
    assert body.parts()["segments"] == {"country": "BR", "region": "São Paulo", "category": ["toys"]}
    spelt = '{"score": 9, "segments": {"country": "BR", "region": "São Paulo", "category": ["toys"]}}'
    assert body.digest() == DirectAnswer.model_validate_json(spelt).digest()
