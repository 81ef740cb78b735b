"""What a request becomes of what is stored, whoever asks; every refusal is one that doors know."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.collector.domain.answer_requests import (
    REFUSALS,
    AnswerRequest,
    Decided,
    Standing,
    decide,
    direct_request,
    survey_request,
)
from services.collector.domain.answers import (
    AmbiguousId,
    DirectAnswer,
    ErasedAnswer,
    GivenBeforeErasure,
    KeyReused,
    StoredAnswer,
    UnknownCampaign,
)
from services.collector.domain.surveys import ClosedSurvey, Send, Survey, UnknownSurvey
from shared.contracts import identity
from shared.contracts.answers import Answer

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)


def direct(key: str | None = None, **fields: Any) -> AnswerRequest:
    body = DirectAnswer(**{"score": 9, **fields})
    return direct_request(body, caller="shop", idempotency_key=key, began=NOW, randomness=lambda: 1)


def stored(score: int = 9, *, digest: bytes | None = None, **fields: Any) -> StoredAnswer:
    answer = Answer(answer_id="a", revision=1, score=score, answered_at=NOW, received_at=NOW, **fields)
    return StoredAnswer(1, answer, digest)


def survey(**fields: Any) -> Survey:
    values: dict[str, Any] = {
        "campaign": "c", "campaign_version": 1, "channel": "email", "locale": "en", "customer_id": "c-1",
        "address": None, "name": None, "order_id": "o-1", "product": None, "segments": {"country": "BR"},
        "sent_at": NOW, "expires_at": NOW + timedelta(days=1), "erased_at": None, **fields,
    }  # fmt: skip
    return Survey(Send(send_id="s-1", **values), None, None)


def test_whose_id_it_is_says_what_may_share_it() -> None:
    named = direct(answer_id="till-1")
    assert (named.named, named.key) == (True, identity.key_of("till-1"))
    own = direct()
    assert (own.named, own.key, own.digest) == (False, own.answer_id, None)
    keyed = direct("k-1")
    assert keyed.answer_id == identity.keyed_answer_id(caller="shop", idempotency_key="k-1")
    assert keyed.digest is not None and keyed.unowned_id is not None
    # With an id of the client's own, the key is ignored.
    assert direct("k-1", answer_id="till-1") == named


def test_an_order_matters_only_without_a_customer() -> None:
    assert direct(customer_id="c-1", order_id="o-1").order_id is None
    assert direct(order_id="o-1").order_id == "o-1"
    from_survey = survey_request("s-1", {"score": 3}, began=NOW)
    assert (from_survey.customer_id, from_survey.order_id, from_survey.campaign) == (None, None, None)


def test_a_first_answer_a_change_and_a_repetition() -> None:
    first = decide(direct(answer_id="a"), Standing(), NOW)
    assert (first.changed, first.answer.revision, first.answer.score) == (True, 1, 9)
    amended = decide(direct(answer_id="a", score=3), Standing(stored=stored()), NOW)
    assert (amended.changed, amended.answer.revision, amended.answer.score) == (True, 2, 3)
    repeated = stored()
    assert decide(direct(answer_id="a"), Standing(stored=repeated), NOW) == Decided(repeated.answer, changed=False)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("request_", "standing", "refusal"),
    [
        (direct(customer_id="c-1"), Standing(erased_at=NOW), GivenBeforeErasure),
        (direct(answer_id="a"), Standing(stored=StoredAnswer(2, None)), ErasedAnswer),
        (direct(answer_id="a"), Standing(key_taken=True), AmbiguousId),
        (direct("k-1"), Standing(stored=stored(digest=b"other")), KeyReused),
        (direct(campaign="tlil"), Standing(campaigns={"till"}), UnknownCampaign),
        (survey_request("s-1", {"score": 3}, began=NOW), Standing(), UnknownSurvey),
        (survey_request("s-1", {}, began=NOW), Standing(survey=survey(expires_at=NOW - timedelta(1))), ClosedSurvey),
    ],
)  # fmt: skip
def test_what_is_refused(request_: AnswerRequest, standing: Standing, refusal: type[Exception]) -> None:
    with pytest.raises(refusal) as raised:
        decide(request_, standing, NOW)
    assert isinstance(raised.value, REFUSALS)


def test_what_was_given_or_began_after_the_erasure_is_taken() -> None:
    erased = Standing(erased_at=NOW - timedelta(seconds=1))
    assert decide(direct(customer_id="c-1"), erased, NOW).changed
    early = direct(customer_id="c-1", answered_at=NOW - timedelta(seconds=1))
    with pytest.raises(GivenBeforeErasure):
        decide(early, erased, NOW)


def test_a_repeated_key_is_known_by_what_came_with_it() -> None:
    request = direct("k-1")
    same = stored(score=2, digest=request.digest)
    assert decide(request, Standing(stored=same), NOW) == Decided(same.answer, changed=False)  # type: ignore[arg-type]
    earlier = stored()
    assert decide(request, Standing(unowned=earlier), NOW) == Decided(earlier.answer, changed=False)  # type: ignore[arg-type]
    assert decide(request, Standing(unowned=stored(score=2)), NOW).changed


def test_the_campaign_it_has_needs_not_be_published() -> None:
    kept = Standing(stored=stored(campaign="gone"))
    assert decide(direct(answer_id="a", score=3, campaign="gone"), kept, NOW).changed


def test_the_first_answer_to_a_survey_takes_what_the_send_says() -> None:
    request = survey_request("s-1", {"score": 3}, began=NOW)
    answer = decide(request, Standing(survey=survey()), NOW).answer
    assert (answer.customer_id, answer.order_id, answer.segments) == ("c-1", "o-1", {"country": "BR"})
    later = survey(segments={"country": "NO"})
    commented = survey_request("s-1", {"comment": "slow"}, began=NOW)
    again = decide(commented, Standing(survey=later, stored=StoredAnswer(1, answer)), NOW).answer
    assert (again.segments, again.comment, again.revision) == ({"country": "BR"}, "slow", 2)
