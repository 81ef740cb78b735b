"""Every event's topic, key, id, type and time belong to its contract: published again, it is the same event."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.contracts import (
    answers,
    campaigns,
    deliveries,
    followups,
    identity,
    preferences,
    requests,
    scores,
    sends,
    sessions,
    shared_ids,
)
from shared.contracts.cloudevents import read, write
from shared.contracts.events import Event
from shared.contracts.topics import CATALOGUE, followup_topic

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
LATER = NOON + timedelta(hours=1)
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def answer(revision: int) -> answers.Answer:
    return answers.Answer(answer_id="a-1", revision=revision, score=9, answered_at=NOON, received_at=LATER)


ERASED_ANSWER = answers.AnswerErased(answer_id="a-1", revision=3, erased_at=LATER)
CAMPAIGN = campaigns.CampaignPublished(campaign="service", campaign_version=4, brand=campaigns.Brand(name="Lumen"))
SURVEY = sends.SurveySent(
    send_id="s-1",
    campaign="service",
    campaign_version=4,
    channel="email",
    locale="en",
    customer_id="c-42",
    recipient=sends.Recipient(address="ana@example.com"),
    segments={},
    answer_url="http://127.0.0.1/s/x",
    unsubscribe_url="http://127.0.0.1/unsubscribe/x",
    due_at=NOON,
    sent_at=LATER,
    expires_at=LATER,
)
DELIVERY = deliveries.Delivery(send_id="s-1", channel="email", provider="smtp", occurred_at=LATER)
PREFERENCE = preferences.Preference(customer_id="c-42", revision=2, occurred_at=LATER)
REQUEST = requests.SurveyRequested(
    request_id="r-1",
    customer_id="c-42",
    campaign="service",
    requested_by="inbox",
    requested_at=LATER,
    not_before=NOON,
)
SCORE = scores.ScoreUpdated(
    campaign="*",
    window="30d",
    segment="country:BR",
    at=LATER,
    sequence=7,
    low=-100.0,
    high=100.0,
    n=0,
    promoters=0,
    passives=0,
    detractors=0,
    held_back=True,
)
CASE = followups.Case(case_id="k-1", queue="vip", status="open", sequence=5, opened_at=NOON, changed_at=LATER)
SHARED_ID = shared_ids.SharedId(customer_id="web", found_at=LATER)
SESSION = sessions.SessionEnded(session_id="x-1", ended_at=LATER, expires_at=LATER)

EVENTS = {
    "recorded": answers.event(answer(1), traceparent=TRACE),
    "amended": answers.event(answer(2), traceparent=TRACE),
    "erased": answers.event(ERASED_ANSWER, traceparent=TRACE),
    "campaign": campaigns.event(CAMPAIGN, at=LATER),
    "send": sends.event(SURVEY, traceparent=TRACE),
    "delivery": deliveries.event(deliveries.BOUNCED, DELIVERY, traceparent=TRACE),
    "preference": preferences.event(preferences.UNSUBSCRIBED, PREFERENCE, traceparent=TRACE),
    "request": requests.event(REQUEST, traceparent=TRACE),
    "score": scores.event(SCORE),
    "case": followups.event(followups.OPENED, CASE),
    "session": sessions.event(SESSION),
    "shared": shared_ids.event(SHARED_ID),
}


@pytest.mark.parametrize(
    ("name", "topic", "key", "kind", "parts"),
    [
        ("recorded", "surveys.answers", "a-1", "answer.recorded", ("a-1", 1)),
        ("amended", "surveys.answers", "a-1", "answer.amended", ("a-1", 2)),
        ("erased", "surveys.answers", "a-1", "answer.erased", ("a-1", 3)),
        ("campaign", "surveys.campaigns", "service", "campaign.published", ("service", 4)),
        ("send", "surveys.sends", "c-42", "survey.sent", ("s-1",)),
        ("delivery", "surveys.deliveries", "s-1", "delivery.bounced", ("s-1",)),
        ("preference", "customers.preferences", "c-42", "preference.unsubscribed", ("c-42", 2)),
        ("request", "surveys.requests", "c-42", "survey.requested", ("r-1",)),
        ("score", "nps.scores", "*\x1f30d\x1fcountry:BR", "score.updated", ("*\x1f30d\x1fcountry:BR", 7)),
        ("case", "followups.vip", "k-1", "case.opened", ("vip", "k-1", 5)),
        ("shared", "customers.shared", "web", "customer.shared", ("web",)),
        ("session", "staff.sessions", "x-1", "session.ended", ("x-1",)),
    ],
)
def test_an_event_is_named_by_its_contract(name: str, topic: str, key: str, kind: str, parts: tuple[Any, ...]) -> None:
    event = EVENTS[name]
    assert (event.topic, event.key, event.type, event.time) == (topic, key, kind, LATER)
    assert event.event_id == identity.event_id(kind, *parts)


TOPICS = {topic.name: topic for topic in (*CATALOGUE, followup_topic("vip"))}


@pytest.mark.parametrize("event", EVENTS.values(), ids=EVENTS)
def test_an_event_is_read_back_from_its_topic(event: Event) -> None:
    headers, value = write(event, "/hearback/test")
    message = read(TOPICS[event.topic], partition=0, offset=0, key=event.key.encode(), value=value, headers=headers)
    assert (message.event_id, message.type, message.time) == (event.event_id, event.type, event.time)
    assert (message.body, message.traceparent) == (event.body, event.traceparent)


def test_ids_stay_the_same_across_releases() -> None:
    """Written down once: were they to change, a restart after an update would publish everything a second time."""
    assert {name: event.event_id for name, event in EVENTS.items()} == {
        "recorded": "fb006393-02fd-54f9-97b3-387b031d4cf6",
        "amended": "8e2f5158-1a43-5d16-97ec-da64edffb0fd",
        "erased": "b4ec5061-7b20-5997-98a1-50b7d1d22ee0",
        "campaign": "d350c760-acac-54f7-9ecc-9376bda25ea3",
        "send": "9f876107-cbc6-5258-bf56-8fe77616051b",
        "delivery": "7803a6b0-543f-55e0-8bc9-f75457f544c7",
        "preference": "456e39e0-e44d-5cb1-a07e-f0ce8f858a64",
        "request": "ea2b01df-03f9-50c1-8cba-097455c53831",
        "score": "77ead680-efad-5351-9df9-72231459373a",
        "case": "f1799439-a305-5937-8a0f-507120868091",
        "session": "9d23f355-0cab-5432-abee-72687161848a",
        "shared": "d1101164-0248-5e6d-90ba-4ff478be19f2",
    }
