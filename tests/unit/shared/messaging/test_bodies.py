"""A handler gets the bodies its topic carries, and never silently fewer."""

import pytest

from shared.contracts.answers import Answer, AnswerErased
from shared.contracts.requests import SurveyRequested
from shared.messaging.bodies import bodies, with_bodies
from tests.kit.messages import NOON, message

REQUEST = SurveyRequested(
    request_id="1", customer_id="ana", campaign="after", requested_by="support", requested_at=NOON, not_before=NOON
)


def test_each_body_comes_with_its_message_in_order() -> None:
    received = [message("surveys.requests", "survey.requested", REQUEST) for _ in range(3)]
    assert with_bodies(received, SurveyRequested) == [(one, REQUEST) for one in received]
    assert bodies(received, Answer, SurveyRequested) == [REQUEST] * 3


def test_a_body_of_another_type_is_an_error_that_names_both() -> None:
    received = [message("surveys.requests", "survey.requested", REQUEST)]
    with pytest.raises(TypeError, match=r"survey\.requested on surveys\.requests has a SurveyRequested, not Answer or"):
        bodies(received, Answer, AnswerErased)
