"""What a client sends is taken exactly or refused with the field's name; nothing is guessed."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from fastapi.exceptions import RequestValidationError
from hypothesis import given
from hypothesis import strategies as st

from services.collector.api.answers import time_ordered_id
from services.collector.api.bodies import DirectAnswer, SurveyAnswer, form_score
from shared.web.forms import read_json


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
    assert body.said() == {
        "score": 0,
        "answered_at": datetime(2026, 11, 1, 12, 30, tzinfo=UTC),
        "segments": {"country": "BR", "category": ["a", "b"]},
    }


def test_a_part_left_out_is_not_said() -> None:
    assert read_json(b"{}", SurveyAnswer).said() == {}
    assert read_json(b'{"comment": ""}', SurveyAnswer).said() == {"comment": ""}


@given(st.text(max_size=4) | st.integers(-20, 200).map(str))
def test_a_forms_score_is_a_whole_number_from_0_to_10(written: str) -> None:
    score = form_score(written)
    assert score is None or str(score) == written
    if written in {str(number) for number in range(11)}:
        assert score == int(written)


def test_ids_follow_time() -> None:
    moments = [datetime(2026, 11, 1, 12, 0, 0, milliseconds * 1000, tzinfo=UTC) for milliseconds in range(50)]
    ids = [time_ordered_id(moment) for moment in moments]
    assert ids == sorted(ids)
    assert len({time_ordered_id(moments[0]) for _ in range(1000)}) == 1000
    assert UUID(ids[0]).version == 7
