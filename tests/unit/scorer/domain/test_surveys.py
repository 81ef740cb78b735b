"""What sends and deliveries say about a survey."""

from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from services.scorer.domain.answers import GivenAnswer
from services.scorer.domain.surveys import (
    SurveyChange,
    SurveyFacts,
    count_surveys,
    facts_of_answers,
    facts_of_deliveries,
    facts_of_sends,
    first_sends,
    merged_facts,
)
from services.scorer.domain.tally import DayChange, Tally
from shared.contracts import deliveries
from shared.contracts.answers import Answer, AnswerErased
from shared.contracts.deliveries import Delivery
from shared.contracts.identity import key_of
from shared.contracts.sends import Recipient, SurveySent

NOW = datetime(2026, 3, 1, 1, 30, tzinfo=UTC)
DAY = date(2026, 2, 28)
SAO_PAULO = ZoneInfo("America/Sao_Paulo")


def sent(send_id: str, campaign: str = "service-nps") -> SurveySent:
    return SurveySent(
        send_id=send_id,
        campaign=campaign,
        campaign_version=1,
        channel="email",
        locale="en",
        customer_id="c",
        recipient=Recipient(address="somebody@example.com"),
        segments={},
        answer_url="https://example.com/s/x",
        unsubscribe_url="https://example.com/unsubscribe/x",
        due_at=NOW,
        sent_at=NOW,
        expires_at=NOW,
    )


def report(kind: str, send_id: str) -> tuple[str, Delivery]:
    return kind, Delivery(send_id=send_id, channel="email", provider="smtp", occurred_at=NOW)


def test_the_first_send_of_each_survey_is_kept_and_keys_ascend() -> None:
    found = first_sends([sent("a"), sent("b"), sent("a", campaign="another"), sent("c")])
    assert [key for key, _ in found] == sorted(map(key_of, "abc"))
    assert dict(found)[key_of("a")].campaign == "service-nps"


def test_a_send_says_where_the_survey_counts() -> None:
    facts = facts_of_sends([("key", sent("a"))], campaign_ids=[3], segment_ids=[(0, 7)], zone=SAO_PAULO)
    assert facts == [SurveyFacts(key="key", known_on=DAY, campaign_id=3, sent_on=DAY, segment_ids=(0, 7))]


def test_deliveries_say_whether_it_reached_anybody_and_opens_and_clicks_say_nothing() -> None:
    reports = facts_of_deliveries(
        [
            report(deliveries.ACCEPTED, "accepted"),
            report(deliveries.OPENED, "accepted"),
            report(deliveries.DELIVERED, "delivered, then bounced"),
            report(deliveries.BOUNCED, "delivered, then bounced"),
            report(deliveries.FAILED, "failed"),
            report(deliveries.CLICKED, "clicked"),
            report(deliveries.COMPLAINED, "complained"),
        ],
        SAO_PAULO,
    )
    facts = merged_facts(reports)
    assert [one.key for one in facts] == sorted(map(key_of, ("accepted", "delivered, then bounced", "failed")))
    assert {one.key: (one.accepted, one.failed) for one in facts} == {
        key_of("accepted"): (True, False),
        key_of("delivered, then bounced"): (True, True),
        key_of("failed"): (False, True),
    }
    assert {(one.known_on, one.sent_on, one.campaign_id, one.segment_ids) for one in facts} == {(DAY, None, None, None)}


def test_an_answer_says_that_its_survey_was_answered_and_an_erasure_nothing() -> None:
    to_a_survey = Answer(answer_id="a", revision=1, score=9, answered_at=NOW, received_at=NOW, send_id="s")
    unasked = Answer(answer_id="b", revision=1, score=9, answered_at=NOW, received_at=NOW)
    erasure = AnswerErased(answer_id="c", revision=2, erased_at=NOW)
    given = (GivenAnswer.of(to_a_survey), GivenAnswer.of(unasked), erasure)
    assert facts_of_answers(given, SAO_PAULO) == [SurveyFacts(key=key_of("s"), known_on=DAY, answered=True)]


FACTS = st.builds(
    SurveyFacts,
    key=st.just("k"),
    known_on=st.just(DAY),
    campaign_id=st.none(),
    sent_on=st.none(),
    segment_ids=st.none(),
    accepted=st.booleans(),
    failed=st.booleans(),
    answered=st.booleans(),
)


@given(st.lists(FACTS, max_size=5), st.integers(0, 5))
def test_facts_of_one_survey_are_merged_wherever_its_send_stands(facts: list[SurveyFacts], at: int) -> None:
    send = SurveyFacts(key="k", known_on=DAY, campaign_id=3, sent_on=DAY, segment_ids=(0, 7))
    (found,) = merged_facts([*facts[:at], send, *facts[at:]])
    assert found == send._replace(
        accepted=any(one.accepted for one in facts),
        failed=any(one.failed for one in facts),
        answered=any(one.answered for one in facts),
    )


def test_surveys_that_count_and_no_longer_do_are_netted() -> None:
    changed = [
        SurveyChange(campaign_id=3, sent_on=DAY, segment_ids=[0, 7], delivered=1, answered=1),
        SurveyChange(campaign_id=3, sent_on=DAY, segment_ids=[0], delivered=-1, answered=-1),
        SurveyChange(campaign_id=4, sent_on=DAY, segment_ids=[0], delivered=0, answered=1),
    ]
    tally = Tally()
    count_surveys(tally, changed)
    nothing: dict[str, Any] = {"day": DAY, "promoters": 0, "passives": 0, "detractors": 0}
    assert sorted(tally.changes()) == [
        DayChange(segment_id=0, campaign_id=4, delivered=0, answered=1, **nothing),
        DayChange(segment_id=7, campaign_id=3, delivered=1, answered=1, **nothing),
    ]
