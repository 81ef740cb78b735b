"""What sends and deliveries say about a survey."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from services.scorer.domain.keys import key_of
from services.scorer.domain.surveys import (
    DeliveredChange,
    SurveyFacts,
    delivered_changes,
    facts_of_deliveries,
    facts_of_sends,
    first_sends,
)
from services.scorer.domain.tally import DayChange
from shared.contracts import deliveries
from shared.contracts.deliveries import Delivery
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
    assert facts == [
        SurveyFacts(
            key="key", known_on=DAY, campaign_id=3, sent_on=DAY, accepted=False, failed=False, segment_ids=(0, 7)
        )
    ]


def test_deliveries_say_whether_it_reached_anybody_and_opens_and_clicks_say_nothing() -> None:
    facts = facts_of_deliveries(
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
    assert [one.key for one in facts] == sorted(map(key_of, ("accepted", "delivered, then bounced", "failed")))
    assert {one.key: (one.accepted, one.failed) for one in facts} == {
        key_of("accepted"): (True, False),
        key_of("delivered, then bounced"): (True, True),
        key_of("failed"): (False, True),
    }
    assert {(one.known_on, one.sent_on, one.campaign_id, one.segment_ids) for one in facts} == {(DAY, None, None, None)}


def test_surveys_that_count_as_delivered_and_no_longer_are_netted() -> None:
    changed = [
        DeliveredChange(campaign_id=3, sent_on=DAY, segment_ids=[0, 7], delivered=1),
        DeliveredChange(campaign_id=3, sent_on=DAY, segment_ids=[0], delivered=-1),
        DeliveredChange(campaign_id=4, sent_on=DAY, segment_ids=[0], delivered=-1),
    ]
    assert delivered_changes(changed) == [
        DayChange(
            segment_id=0, campaign_id=4, day=DAY, promoters=0, passives=0, detractors=0, surveyed=0, delivered=-1
        ),
        DayChange(segment_id=7, campaign_id=3, day=DAY, promoters=0, passives=0, detractors=0, surveyed=0, delivered=1),
    ]
