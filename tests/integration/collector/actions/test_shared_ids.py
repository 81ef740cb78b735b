"""A customer id that turns out to be many people's: its surveys are those of whoever they were sent to."""

import asyncio
from typing import Any

import pytest

from shared.contracts import topics
from shared.contracts.sends import Recipient
from shared.contracts.shared_ids import SharedId
from tests.integration.collector.actions.test_erasures import traces
from tests.integration.collector.kit import NOON, Collector, survey
from tests.kit.http import bearer
from tests.kit.settings import KEY

WEB = SharedId(customer_id="web", found_at=NOON)


def sent_to(name: str, **fields: Any) -> dict[str, Any]:
    who = Recipient(address=f"{name}@example.com", name=name.title())
    return {"customer_id": "web", "recipient": who, "order_id": f"order-{name}", **fields}


async def erase_guest(collector: Collector, **known: Any) -> dict[str, Any]:
    response = await collector.client.post("/v1/guests/erase", json=known, headers=bearer(KEY))
    assert response.status_code == 200
    found: dict[str, Any] = response.json()
    return found


async def test_erasing_such_an_id_says_that_it_is_several_peoples_and_how_to_erase_one(collector: Collector) -> None:
    assert "several people" not in (await collector.erase("web")).json()["hint"]
    await collector.consume(WEB)
    hint = (await collector.erase("web")).json()["hint"]
    assert "several people" in hint and "POST /v1/guests/erase" in hint


@pytest.mark.parametrize("known", [{"email": "ANA.souza@example.com"}, {"order_ids": ["order-1001"]}])
@pytest.mark.parametrize("found_out", ["first", "after the surveys", "after the erasure"])
async def test_one_of_them_is_erased_by_address_or_order_and_nobody_else(
    collector: Collector, known: dict[str, Any], found_out: str
) -> None:
    if found_out == "first":
        await collector.consume(WEB)
    page = await collector.send("s-1", customer_id="web", segments={"tier": "gold-tier"}, product="Brass lamp")
    other = await collector.send("s-2", **sent_to("bo"))
    await collector.client.post(page, json={"score": 3, "comment": "so sad a comment"})
    await collector.client.post(other, json={"score": 9})
    await collector.post_answer(answer_id="till-1", customer_id="web", order_id="order-1001", score=2)
    if found_out == "after the surveys":
        await collector.consume(WEB)
    await erase_guest(collector, **known)
    if found_out == "after the erasure":
        await collector.consume(WEB)
        # Until then, nothing said whose these were: what was posted about the order is erased with it only now.
        await erase_guest(collector, order_ids=["order-1001"])
    assert await traces(collector) == []
    erased = {event.key for event in await collector.answers() if event.type == "answer.erased"}
    assert len(erased) == 2 and "till-1" in erased
    assert (await collector.client.get(other)).status_code == 200


async def test_a_survey_that_was_on_its_way_when_the_id_was_found_out_is_that_of_its_address(
    collector: Collector,
) -> None:
    await asyncio.gather(collector.consume(WEB), collector.consume(survey("s-1", **sent_to("ana"))))
    body = await erase_guest(collector, email="ana@example.com")
    assert body["surveys_erased"] == 1
    told = [event.key for event in await collector.outbox(topics.PREFERENCES.name)]
    assert told == [collector.runtime.guests.of_mailbox("ana@example.com")]
