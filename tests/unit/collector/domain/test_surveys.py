"""Known, erased, closed: one rule for every door."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from services.collector.domain.answers import StoredAnswer
from services.collector.domain.surveys import (
    ClosedSurvey,
    ErasedSurvey,
    Send,
    Survey,
    UnknownSurvey,
    answerable,
    known,
)
from shared.contracts.answers import Answer

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
SEND = Send(
    send_id="s-1", campaign="c", campaign_version=1, channel="email", locale="en", customer_id="c-42",
    address="ana@example.com", name="Ana", order_id=None, product=None, segments={}, sent_at=NOON,
    expires_at=NOON + timedelta(days=30), erased_at=None,
)  # fmt: skip
OPEN = Survey(SEND, None, None)
ERASED = replace(OPEN, send=replace(SEND, customer_id=None, erased_at=NOON))
ANSWER = Answer(answer_id="a-1", revision=1, score=9, answered_at=NOON, received_at=NOON)


@pytest.mark.parametrize("survey", [OPEN, replace(OPEN, stored=StoredAnswer(1, ANSWER))])
def test_an_open_survey_may_be_answered_until_its_last_moment(survey: Survey) -> None:
    assert known(survey) == answerable(survey, SEND.expires_at) == survey
    with pytest.raises(ClosedSurvey, match="it could be answered until 2026-12-01T12:00:00") as closed:
        answerable(survey, SEND.expires_at + timedelta(microseconds=1))
    assert closed.value.survey == survey


def test_a_survey_that_is_not_here_is_unknown_to_every_door() -> None:
    with pytest.raises(UnknownSurvey, match="not known here yet"):
        known(None)
    with pytest.raises(UnknownSurvey, match="not known here yet"):
        answerable(None, NOON)


@pytest.mark.parametrize("moment", [NOON, NOON + timedelta(days=99)], ids=["open", "closed"])
def test_an_erased_survey_says_so_whether_it_closed_or_not(moment: datetime) -> None:
    with pytest.raises(ErasedSurvey, match="was erased"):
        known(ERASED)
    with pytest.raises(ErasedSurvey, match="was erased"):
        answerable(ERASED, moment)


def test_an_erased_answer_is_closed_for_good_but_its_recipient_may_still_unsubscribe() -> None:
    survey = replace(OPEN, stored=StoredAnswer(2, None))
    with pytest.raises(ErasedSurvey):
        answerable(survey, NOON)
    assert known(survey) == survey
