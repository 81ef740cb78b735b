"""The API for the shop's backend: idempotent, with errors that name the mistake."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from shared.contracts import identity
from shared.contracts.identity import key_of
from tests.integration.collector.conftest import OTHER_KEY
from tests.integration.collector.kit import Collector, campaign
from tests.kit.http import bearer
from tests.kit.openapi import ALWAYS, declared_statuses
from tests.kit.settings import KEY


async def test_an_answer_from_elsewhere_is_taken_as_given(collector: Collector) -> None:
    await collector.consume(campaign(campaign="till"))
    response = await collector.post_answer(
        answer_id="till-7-0042",
        customer_id="c-1",
        order_id="1001",
        campaign="till",
        channel="widget",
        score=9,
        comment="lovely",
        answered_at="2026-10-30T09:30:00-03:00",
        segments={"country": "BR", "category": ["toys", "books"]},
    )
    assert (response.status_code, response.json()) == (202, {"answer_id": "till-7-0042", "revision": 1})
    (event,) = await collector.answers()
    assert event.body == {
        "answer_id": "till-7-0042",
        "revision": 1,
        "score": 9,
        "comment": "lovely",
        "answered_at": "2026-10-30T12:30:00Z",
        "received_at": "2026-11-01T12:00:00Z",
        "channel": "widget",
        "customer_id": "c-1",
        "order_id": "1001",
        "campaign": "till",
        "further_answers": {},
        "segments": {"country": "BR", "category": ["toys", "books"]},
    }


async def test_only_the_score_is_needed(collector: Collector) -> None:
    response = await collector.post_answer(score=0)
    assert UUID(response.json()["answer_id"]).version == 7
    assert (await collector.answers())[0].body["channel"] == "api"


async def test_the_same_id_is_the_same_answer(collector: Collector) -> None:
    body: dict[str, Any] = {"answer_id": "a-1", "score": 3, "comment": "slow", "segments": {"country": "BR"}}
    for _ in range(3):
        assert (await collector.post_answer(**body)).json()["revision"] == 1
        collector.clock.pass_time(hours=1)
    assert (await collector.post_answer(answer_id="a-1", score=3)).json()["revision"] == 1
    assert (await collector.post_answer(answer_id="a-1", score=4)).json()["revision"] == 2
    assert (await collector.post_answer(answer_id="a-1", score=4, segments={"country": "NO"})).json()["revision"] == 3
    bodies = [event.body for event in await collector.answers()]
    assert [body["revision"] for body in bodies] == [1, 2, 3]
    assert [body["comment"] for body in bodies] == ["slow"] * 3
    assert bodies[2]["answered_at"] == bodies[1]["answered_at"] == "2026-11-01T15:00:00Z"


async def test_many_at_once_with_one_id_are_one_answer(collector: Collector) -> None:
    responses = await asyncio.gather(*(collector.post_answer(answer_id="a-1", score=3) for _ in range(16)))
    assert {response.json()["revision"] for response in responses} == {1}
    assert len(await collector.answers()) == 1


async def test_a_repeated_request_is_known_by_its_idempotency_key(collector: Collector) -> None:
    key = {"Idempotency-Key": "request-77"}
    answers = {(await collector.post_answer(headers=key, score=7)).json()["answer_id"] for _ in range(2)}
    assert answers == {identity.keyed_answer_id(caller="shop", idempotency_key="request-77")}
    other = await collector.post_answer(headers={"Idempotency-Key": "request-78"}, score=7)
    assert other.json()["answer_id"] not in answers
    named = await collector.post_answer(headers=key, score=7, answer_id="a-1")
    assert named.json()["answer_id"] == "a-1"
    assert len(await collector.answers()) == 3


async def test_an_idempotency_key_belongs_to_its_body(collector: Collector) -> None:
    key = {"Idempotency-Key": "request-77"}
    segments = {"country": "BR", "tier": "gold"}
    first = await collector.post_answer(headers=key, score=7, customer_id="c-1", segments=segments)
    for other in ({"score": 2, "customer_id": "c-2"}, {"score": 7}, {"score": 7, "customer_id": "c-1"}):
        refused = await collector.post_answer(headers=key, **other)
        assert refused.status_code == 422
        assert "Idempotency-Key" in refused.json()["detail"]
    again = {"segments": {"tier": "gold", "country": "BR"}, "customer_id": "c-1", "comment": None, "score": 7}
    assert (await collector.post_answer(headers=key, **again)).json() == first.json()
    assert [event.body["customer_id"] for event in await collector.answers()] == ["c-1"]


async def test_an_idempotency_key_belongs_to_its_caller(collector: Collector) -> None:
    """Two clients that number their requests from 1 do not share answers."""
    key = {"Idempotency-Key": "1"}
    one = await collector.post_answer(headers=key, score=7)
    other = await collector.post_answer(headers={**key, **bearer(OTHER_KEY)}, score=2)
    assert (one.status_code, other.status_code) == (202, 202)
    assert one.json()["answer_id"] != other.json()["answer_id"]


async def test_a_late_retry_does_not_undo_what_was_said_since(collector: Collector) -> None:
    key = {"Idempotency-Key": "request-77"}
    answer_id = (await collector.post_answer(headers=key, score=2)).json()["answer_id"]
    await collector.post_answer(answer_id=answer_id, score=9)
    assert (await collector.post_answer(headers=key, score=2)).json() == {"answer_id": answer_id, "revision": 2}
    assert [event.body["score"] for event in await collector.answers()] == [2, 9]


async def test_a_retry_after_an_upgrade_is_the_answer_from_before(collector: Collector) -> None:
    earlier = identity.unowned_keyed_answer_id("request-77")
    await collector.post_answer(answer_id=earlier, score=7, customer_id="c-1")
    key = {"Idempotency-Key": "request-77"}
    retried = await collector.post_answer(headers=key, score=7, customer_id="c-1")
    assert retried.json() == {"answer_id": earlier, "revision": 1}
    new = await collector.post_answer(headers=key, score=7, customer_id="c-2")
    assert new.json()["answer_id"] != earlier


async def test_an_answer_does_not_change_its_customer(collector: Collector) -> None:
    await collector.post_answer(answer_id="a-1", score=3)
    assert (await collector.post_answer(answer_id="a-1", score=3, customer_id="c-1")).json()["revision"] == 2
    refused = await collector.post_answer(answer_id="a-1", score=9, customer_id="c-2")
    assert refused.status_code == 409
    assert "customer_id" in refused.json()["detail"]
    assert "c-1" not in refused.text
    assert (await collector.post_answer(answer_id="a-1", score=9)).json()["revision"] == 3
    assert {event.body.get("customer_id") for event in await collector.answers()} == {None, "c-1"}


@pytest.mark.parametrize("first", ["till-1", key_of("till-1")])
async def test_two_ids_that_would_count_as_one_answer_are_not_both_taken(collector: Collector, first: str) -> None:
    second = ({"till-1", key_of("till-1")} - {first}).pop()
    assert (await collector.post_answer(answer_id=first, score=3)).status_code == 202
    refused = await collector.post_answer(answer_id=second, score=9)
    assert refused.status_code == 409
    assert "answer_id" in refused.json()["detail"]
    assert (await collector.post_answer(answer_id=first, score=4)).json()["revision"] == 2
    assert await collector.count("answers") == 1


async def test_of_two_such_ids_at_once_one_is_taken(collector: Collector) -> None:
    ids = [f"till-{number}" for number in range(8)]
    posted = [collector.post_answer(answer_id=answer_id, score=3) for one in ids for answer_id in (one, key_of(one))]
    statuses = [response.status_code for response in await asyncio.gather(*posted)]
    assert sorted(statuses) == [202] * 8 + [409] * 8


async def test_a_campaign_nobody_defined_is_refused_with_those_there_are(collector: Collector) -> None:
    await collector.consume(campaign(campaign="service-nps"), campaign(campaign="till", active=False))
    refused = await collector.post_answer(score=9, campaign="no-such")
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == "campaign"
    assert "service-nps, till" in refused.json()["detail"]
    assert (await collector.post_answer(answer_id="a-1", score=9, campaign="till")).status_code == 202
    assert (await collector.post_answer(answer_id="a-1", score=8, campaign="til")).status_code == 422
    assert len(await collector.answers()) == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "score"),
        ({"score": 11}, "score"),
        ({"score": "9"}, "score"),
        ({"score": True}, "score"),
        ({"score": 9, "answered_at": "2026-11-01T12:05:01Z"}, "answered_at"),
        ({"score": 9, "answered_at": "2026-10-01"}, "answered_at"),
        ({"score": 9, "answered_at": 1_760_000_000}, "answered_at"),
        ({"score": 9, "answer_id": "x" * 201}, "answer_id"),
        ({"score": 9, "comment": "x" * 5_001}, "comment"),
        ({"score": 9, "comment": "a\x00b"}, "comment"),
        ({"score": 9, "comment": "half \ud83d pair"}, "comment"),
        ({"score": 9, "segments": {"country": [""]}}, "segments.country"),
        ({"score": 9, "segments": {f"d{number}": "v" for number in range(41)}}, "segments"),
        ({"score": 9, "sgements": {}}, "sgements"),
    ],
)
async def test_a_mistake_is_named_and_nothing_kept(collector: Collector, body: dict[str, Any], field: str) -> None:
    response = await collector.post_answer(**body)
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    assert any(error["field"].startswith(field) for error in response.json()["errors"])
    assert await collector.count("answers") == 0
    assert await collector.outbox() == []


async def test_a_clock_that_is_a_little_ahead_is_forgiven(collector: Collector) -> None:
    assert (await collector.post_answer(score=9, answered_at="2026-11-01T12:05:00Z")).status_code == 202


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Cookie": "hearback_session=x"}])
async def test_without_a_key_nothing_is_taken(collector: Collector, headers: dict[str, str]) -> None:
    assert (await collector.client.post("/v1/answers", json={"score": 1}, headers=headers)).status_code == 401
    assert (await collector.client.delete("/v1/customers/c-1", headers=headers)).status_code == 401
    assert await collector.outbox() == []


JSON = "application/json"


@pytest.mark.parametrize(
    ("content", "media_type", "detail"),
    [
        (b"{", JSON, "body: is not JSON: Expecting property name enclosed in double quotes at character 1"),
        (b"score=9", JSON, "body: is not JSON: Expecting value at character 0"),
        (b'"9"', JSON, "body: must be a JSON object, sent with the header Content-Type: application/json"),
        (b"[]", JSON, "body: must be a JSON object, sent with the header Content-Type: application/json"),
        (b"", JSON, "body: must be a JSON object, sent with the header Content-Type: application/json"),
        (b"score=9", "application/x-www-form-urlencoded", "body: must be a JSON object, sent with the header"),
        (b'{"score": 9}', "text/plain", "body: must be a JSON object, sent with the header"),
        (b"\x80{", JSON, "the body cannot be read as JSON; send an object, encoded as UTF-8"),
        (b"[" * 10_000, JSON, "the body cannot be read as JSON; send an object, encoded as UTF-8"),
    ],
)
async def test_what_is_not_json_is_told_so_in_plain_words(
    collector: Collector, content: bytes, media_type: str, detail: str
) -> None:
    headers = {**bearer(KEY), "Content-Type": media_type}
    refused = await collector.client.post("/v1/answers", content=content, headers=headers)
    assert refused.status_code in (400, 422)
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["detail"].startswith(detail)


async def test_a_parameter_nobody_knows_is_refused(collector: Collector) -> None:
    posted = await collector.client.post("/v1/answers?campain=till", json={"score": 9}, headers=bearer(KEY))
    erased = await collector.client.delete("/v1/customers/c-1?orderid=1001", headers=bearer(KEY))
    assert (posted.status_code, erased.status_code) == (422, 422)
    assert "campain" in posted.json()["detail"]
    assert "possible are order_id" in erased.json()["detail"]
    assert await collector.outbox() == []


async def test_the_document_of_the_api_declares_the_errors_that_come(collector: Collector) -> None:
    declared = await declared_statuses(collector.client)
    assert declared["POST /v1/answers"] == {"202", "400", "401", "403", "409", "410", *ALWAYS}
    assert declared["DELETE /v1/customers/{customer_id}"] == {"200", "401", "403", *ALWAYS}
    assert declared["POST /s/{token}"] == {"202", "303", "404", "410", *ALWAYS}
    assert declared["POST /unsubscribe/{token}"] == {"200", "202", "303", "404", "410", *ALWAYS}


async def test_what_is_about_a_customer_is_not_cached(collector: Collector) -> None:
    page = await collector.send()
    for response in (
        await collector.post_answer(score=9),
        await collector.post_answer(score=99),
        await collector.client.post(page, json={"score": 9}),
        await collector.erase("c-42"),
    ):
        assert response.headers["cache-control"] == "no-store"


async def test_an_answer_of_a_survey_can_be_amended_by_its_id(collector: Collector) -> None:
    page = await collector.send()
    answer_id = (await collector.client.post(page, json={"score": 9})).json()["answer_id"]
    response = await collector.post_answer(answer_id=answer_id, score=2)
    assert response.json()["revision"] == 2
    amended = (await collector.answers())[-1].body
    assert (amended["score"], amended["send_id"], amended["channel"]) == (2, "s-1", "email")


@pytest.mark.parametrize("value", [5, ["toys", 5], ""])
async def test_a_refused_segment_is_named_as_the_client_wrote_it(collector: Collector, value: object) -> None:
    response = await collector.post_answer(score=5, segments={"category": value})
    assert response.status_code == 422
    assert {error["field"] for error in response.json()["errors"]} <= {"segments.category", "segments.category.1"}
