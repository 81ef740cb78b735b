"""A guest of the shop is erased by what an operator knows of them: an address or an order."""

from typing import Any

import httpx
import pytest

from services.collector.loops.retention import RetentionLoop
from shared.contracts import topics
from shared.contracts.sends import Recipient
from tests.integration.collector.conftest import OTHER_KEY
from tests.integration.collector.kit import Collector
from tests.kit.http import bearer
from tests.kit.openapi import ALWAYS, declared_statuses
from tests.kit.settings import KEY


async def erase(collector: Collector, **known: Any) -> httpx.Response:
    return await collector.client.post("/v1/guests/erase", json=known, headers=bearer(KEY))


async def guest(collector: Collector, email: str, order_id: str, send_id: str = "s-1") -> str:
    """Who was asked about an order without an account, as the dispatcher calls them, and answered."""
    name = collector.runtime.guests.of_mailbox(email)
    page = await collector.send(
        send_id, customer_id=name, recipient=Recipient(address=email, name="Ana"), order_id=order_id
    )
    assert (await collector.client.post(page, json={"score": 2, "comment": "sad"})).status_code == 202
    return name


async def erased(collector: Collector) -> list[str]:
    return [event.key for event in await collector.outbox(topics.PREFERENCES.name) if event.type == "preference.erased"]


@pytest.mark.parametrize("known", [{"email": " ANA@example.com"}, {"order_ids": ["1001"]}])
async def test_a_guest_is_erased_without_knowing_their_id(collector: Collector, known: dict[str, Any]) -> None:
    ana = await guest(collector, "ana@example.com", "1001")
    bob = await guest(collector, "bob@example.com", "1002", "s-2")
    response = await erase(collector, **known)
    assert response.status_code == 200
    body = response.json()
    assert ana in body["customer_ids"] and bob not in body["customer_ids"]
    assert (body["answers_erased"], body["surveys_erased"], body["hint"]) == (1, 1, None)
    assert set(await erased(collector)) == set(body["customer_ids"])
    assert (await collector.client.get(collector.page("s-2"))).status_code == 200


async def test_a_guest_of_whom_only_the_order_is_known_is_erased_by_it(collector: Collector) -> None:
    await collector.post_answer(answer_id="till-1", order_id="1001", score=3)
    body = (await erase(collector, order_ids=["1001", "1002"])).json()
    assert set(body["customer_ids"]) == {collector.runtime.guests.of_order(order) for order in ("1001", "1002")}
    assert body["answers_erased"] == 1


async def test_an_answer_posted_under_the_id_of_all_guests_is_erased_with_its_order(collector: Collector) -> None:
    for number in (1, 2):
        await collector.post_answer(answer_id=f"a-{number}", customer_id="0", order_id=f"100{number}", score=3)
    await collector.post_answer(answer_id="a-3", customer_id="c-42", order_id="1001", score=3)
    body = (await erase(collector, order_ids=["1001"])).json()
    assert body["answers_erased"] == 1
    (gone,) = [event for event in await collector.answers() if event.type == "answer.erased"]
    assert gone.key == "a-1"


async def test_by_an_order_all_of_whose_traces_have_another_id_nobody_with_an_account_is_erased(
    collector: Collector,
) -> None:
    await collector.send("s-1", customer_id="c-42", order_id="1001")
    body = (await erase(collector, order_ids=["1001"])).json()
    assert "of 1001 nothing is erased" in body["hint"] and "DELETE /v1/customers/{id}" in body["hint"]
    assert "c-42" not in body["customer_ids"]
    assert body["surveys_erased"] == 0


async def test_what_was_answered_stays_findable_after_its_survey_is_gone(collector: Collector) -> None:
    ana = await guest(collector, "ana@example.com", "1001")
    collector.clock.pass_time(days=1_000)
    await RetentionLoop(collector.runtime).step()
    assert await collector.count("sends") == 0
    body = (await erase(collector, order_ids=["1001"])).json()
    assert ana in body["customer_ids"] and body["answers_erased"] == 1


@pytest.mark.parametrize(
    ("known", "field"),
    [
        ({}, "email, phone or order_ids"),
        ({"email": " "}, "email"),
        ({"order_ids": []}, "order_ids"),
        ({"mail": "a@b.c"}, "mail"),
    ],
)
async def test_a_request_that_names_nobody_erases_nobody(
    collector: Collector, known: dict[str, Any], field: str
) -> None:
    response = await erase(collector, **known)
    assert response.status_code == 422
    assert field in response.json()["detail"]
    assert await erased(collector) == []


async def test_an_id_that_leads_to_nobody_leads_to_this_door(collector: Collector) -> None:
    await collector.send("s-1")
    for unknown in ("0", "ana@example.com"):
        hint = (await collector.erase(unknown)).json()["hint"]
        assert "POST /v1/guests/erase" in hint and "order_ids" in hint
    assert (await collector.erase("c-42")).json()["hint"] is None


async def test_it_needs_the_key_that_erases_customers(collector: Collector) -> None:
    refused = await collector.client.post("/v1/guests/erase", json={"email": "a@b.c"}, headers=bearer(OTHER_KEY))
    assert refused.status_code == 403
    declared = await declared_statuses(collector.client)
    assert declared["POST /v1/guests/erase"] == {"200", "401", "403", *ALWAYS}
