"""Sends, deliveries and answers: which surveys count as delivered and as answered."""

from datetime import timedelta
from typing import Any

import pytest
from aiokafka import TopicPartition
from sqlalchemy import event

from services.scorer.wiring import build
from shared.contracts import deliveries, sends
from shared.contracts.deliveries import Delivery
from shared.contracts.sends import Recipient, SurveySent
from shared.contracts.topics import CONSUMED_BY
from shared.messaging.repository import positions
from shared.messaging.transaction import BatchTransaction
from shared.persistence.statement import Statement
from tests.integration.scorer.kit import START, Event, Scorer, answer, erased, take_published
from tests.kit.messages import message

BRAZIL = {"country": "BR"}


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


async def test_response_rate_is_answered_over_delivered_in_whatever_order_events_come(scorer: Scorer) -> None:
    await scorer.take("surveys.answers", answer("a", 10, send_id="s0", campaign="service-nps", segments=BRAZIL))
    await scorer.take("surveys.deliveries", *(delivery(deliveries.ACCEPTED, f"s{number}") for number in range(4)))
    await scorer.take("surveys.sends", *(survey(f"s{number}") for number in range(6)))
    await scorer.take("surveys.sends", survey("s0"), (sends.REMINDED, survey("s1")[1]))
    await scorer.take("surveys.deliveries", delivery(deliveries.ACCEPTED, "s4"), delivery(deliveries.OPENED, "s5"))
    await scorer.take("surveys.answers", answer("b", 0, send_id="s4", campaign="service-nps", segments=BRAZIL))
    await scorer.take("surveys.deliveries", delivery(deliveries.BOUNCED, "s4"), delivery(deliveries.ACCEPTED, "s0"))
    await scorer.take(
        "surveys.answers",
        answer("a", 9, revision=2, send_id="s0", campaign="service-nps", segments=BRAZIL),
        answer("unasked", 10, campaign="service-nps", segments=BRAZIL),
    )
    await scorer.publish()
    body = (await take_published(scorer))["service-nps", "7d", "country:BR"]
    assert (body.n, body.delivered, body.response_rate) == (3, 4, 0.25)
    # Who is forgotten has answered all the same.
    await scorer.take("surveys.answers", erased("a", 3))
    await scorer.publish()
    assert await take_published(scorer) == {}


async def test_an_answer_counts_for_the_response_rate_on_the_day_of_its_survey(scorer: Scorer) -> None:
    """Three surveys of ten days ago are answered today, when one other was sent: not 300 %."""
    ago = START - timedelta(days=10)
    for number in range(3):
        await scorer.take("surveys.sends", survey(f"old {number}", sent_at=ago))
        await scorer.take("surveys.deliveries", delivery(deliveries.ACCEPTED, f"old {number}"))
    await scorer.take("surveys.sends", survey("new"))
    await scorer.take("surveys.deliveries", delivery(deliveries.ACCEPTED, "new"))
    await scorer.take(
        "surveys.answers",
        *(answer(f"a{number}", 9, send_id=f"old {number}", campaign="service-nps") for number in range(3)),
    )
    await scorer.publish()
    published = await take_published(scorer)
    week, month = published["*", "7d", "everybody"], published["*", "30d", "everybody"]
    assert (week.n, week.delivered, week.response_rate) == (3, 1, 0)
    assert (month.n, month.delivered, month.response_rate) == (3, 4, 0.75)


async def test_a_batch_of_all_topics_locks_its_rows_once_and_adds_once_to_each_day(
    scorer: Scorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In several rounds, each in order, replicas could wait for each other in a circle."""
    locking: list[str] = []

    def executed(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        locking.extend(table for table in ("surveys", "answers") if f"INSERT INTO {table} " in statement)

    def noting(method: Any) -> Any:
        async def execute(statement: Statement, *arguments: Any) -> Any:
            executed(None, None, statement.sql)
            return await method(statement, *arguments)

        return execute

    event.listen(scorer.runtime.engine.sync_engine, "before_cursor_execute", executed)
    for name in ("rows", "changes"):
        monkeypatch.setattr(Statement, name, noting(getattr(Statement, name)))
    bodies = {
        "surveys.sends": [survey("s"), survey("t", sent_at=START - timedelta(days=1))],
        "surveys.deliveries": [delivery(deliveries.ACCEPTED, "s"), delivery(deliveries.ACCEPTED, "t")],
        "surveys.answers": [answer("a", 9, send_id="s"), answer("b", 9, at=START - timedelta(days=1))],
    }
    messages = [
        message(topic, kind, body, at=START)._replace(offset=offset)
        for topic, of_topic in bodies.items()
        for offset, (kind, body) in enumerate(of_topic)
    ]
    transaction = BatchTransaction(
        "scorer",
        CONSUMED_BY["scorer"],
        build(scorer.runtime).handlers,
        scorer.runtime.engine,
        scorer.runtime.settings,
    )
    beginning = {TopicPartition(topic, 0): 0 for topic in bodies}
    async with scorer.runtime.transaction() as connection:
        await positions.introduce(connection, "scorer", beginning)
    await transaction.commit(messages, expected=beginning, following=dict.fromkeys(beginning, 2))
    assert sorted(locking) == ["answers", "surveys"]
    (added,) = await scorer.query(
        "SELECT count(*) AS rows, count(DISTINCT (segment_id, campaign_id, day)) AS places FROM day_changes"
    )
    assert added.rows == added.places > 0, "what comes together is added as one"
    await scorer.publish()
    body = (await take_published(scorer))["*", "7d", "everybody"]
    assert (body.n, body.delivered, body.response_rate) == (2, 2, 0.5)
