"""Sends and deliveries: which surveys count as delivered."""

from typing import Any

from shared.contracts import deliveries, sends
from shared.contracts.deliveries import Delivery
from shared.contracts.sends import Recipient, SurveySent
from tests.integration.scorer.kit import START, Event, Scorer, answer, take_published


def survey(send_id: str, **more: Any) -> Event:
    return sends.SENT, SurveySent.model_validate(
        {
            "send_id": send_id,
            "campaign": "service-nps",
            "campaign_version": 1,
            "channel": "email",
            "locale": "en",
            "customer_id": "c",
            "recipient": Recipient(address="somebody@example.com"),
            "segments": {"country": "BR"},
            "answer_url": "https://example.com/s/x",
            "unsubscribe_url": "https://example.com/unsubscribe/x",
            "due_at": START,
            "sent_at": START,
            "expires_at": START,
            **more,
        }
    )


def delivery(kind: str, send_id: str) -> Event:
    return kind, Delivery(send_id=send_id, channel="email", provider="smtp", occurred_at=START)


async def test_response_rate_is_answers_over_delivered_in_whatever_order_events_come(scorer: Scorer) -> None:
    await scorer.take("surveys.deliveries", *(delivery(deliveries.ACCEPTED, f"s{number}") for number in range(4)))
    await scorer.take("surveys.sends", *(survey(f"s{number}") for number in range(6)))
    await scorer.take("surveys.sends", survey("s0"), (sends.REMINDED, survey("s1")[1]))
    await scorer.take("surveys.deliveries", delivery(deliveries.ACCEPTED, "s4"), delivery(deliveries.OPENED, "s5"))
    await scorer.take("surveys.deliveries", delivery(deliveries.BOUNCED, "s4"), delivery(deliveries.ACCEPTED, "s0"))
    await scorer.take(
        "surveys.answers",
        answer("a", 10, send_id="s0", campaign="service-nps", segments={"country": "BR"}),
        answer("unasked", 10, campaign="service-nps", segments={"country": "BR"}),
    )
    await scorer.publish()
    body = (await take_published(scorer))["service-nps", "7d", "country:BR"]
    assert (body.n, body.delivered, body.response_rate) == (2, 4, 0.25)
