"""Why a customer was surveyed, or was not, over HTTP."""

import json
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from services.dispatcher.actions.campaigns import apply_files
from services.dispatcher.settings import read_campaigns
from shared.contracts.cloudevents import read
from shared.contracts.topics import ORDERS
from tests.integration.dispatcher.conftest import campaign_folder
from tests.integration.dispatcher.kit import HOUR, START, Dispatcher, Open, order_event, preference
from tests.kit.http import client_of
from tests.kit.settings import KEY


async def test_the_decisions_about_a_customer_come_newest_first_in_pages(
    dispatcher: Dispatcher, client: httpx.AsyncClient
) -> None:
    await dispatcher.handle(order_event("placed", event_id="shop-1"), order_event("paid", at=START + HOUR))
    await dispatcher.pass_time(START + HOUR)
    first = (await client.get("/v1/customers/c-1/decisions", params={"limit": 2})).json()
    assert [entry["outcome"] for entry in first["decisions"]] == ["sent", "no_timer"]
    (survey,) = await dispatcher.published()
    assert first["decisions"][0]["send_id"] == survey["send_id"]
    assert first["decisions"][0]["explanation"] == "Sent: it was due, and no rule held it back."
    rest = (await client.get("/v1/customers/c-1/decisions", params={"limit": 2, "cursor": first["next_cursor"]})).json()
    assert rest["next_cursor"] is None
    (placed,) = rest["decisions"]
    assert placed["event"] == {
        "type": "order.placed",
        "source": "/shop",
        "id": "shop-1",
        "occurred_at": "2026-03-01T12:00:00Z",
    }
    assert {effect["campaign"]: effect["due_at"] for effect in placed["effects"]} == {
        "service-nps": "2026-03-01T13:00:00Z",
        "relationship-nps": "2026-05-30T12:00:00Z",
    }
    assert first["customer_known"] is True


async def test_every_campaign_that_sets_no_timer_is_told_with_the_reason(open_dispatcher: Open, tmp_path: Path) -> None:
    """Also those that were in force then and are not any more, or came by another order than they are listed in."""
    where = "id: {0}\ntrigger: {{after: order.{1}}}\naudience: {{country: {2}}}\n"
    named = {
        f"of_{country.lower()}": where.format(f"of-{country.lower()}", "placed", country) for country in ("NO", "BR")
    }
    folder = campaign_folder(tmp_path / "campaigns", **named)
    one = await open_dispatcher(campaigns_dir=folder)
    campaign_folder(folder, of_ar=where.format("of-ar", "placed", "AR"), paid=where.format("paid", "paid", "AR"))
    await apply_files(one.runtime, read_campaigns(folder))
    await one.handle(order_event("placed", country="BR"))
    (folder / "of-no.yaml").unlink()
    await apply_files(one.runtime, read_campaigns(folder))
    async with client_of(one.app, key=KEY) as client:
        (entry,) = (await client.get("/v1/customers/c-1/decisions")).json()["decisions"]
    assert [(effect["campaign"], effect["change"], effect["reason"]) for effect in entry["effects"]] == [
        ("of-ar", "none", "not_in_audience"),
        ("of-br", "set", "milestone_reached"),
        ("of-no", "none", "not_in_audience"),
    ]
    assert entry["effects"][0]["explanation"] == (
        "No new survey: the customer or order is not in the campaign's audience."
    )


async def test_an_id_nobody_has_heard_of_is_told_apart(dispatcher: Dispatcher, client: httpx.AsyncClient) -> None:
    await dispatcher.handle(preference("unsubscribed", "c-2"), order_event("placed", "o-9", "0"))

    async def asked(customer_id: str) -> tuple[list[object], bool, str]:
        body = (await client.get(f"/v1/customers/{customer_id}/decisions")).json()
        return body["decisions"], body["customer_known"], body["hint"] or ""

    assert await asked("c-2") == ([], True, "")
    decisions, known, hint = await asked("C-1")
    assert (decisions, known) == ([], False) and "case counts" in hint
    decisions, known, hint = await asked("0")
    assert (decisions, known) == ([], False) and "guest-" in hint


async def test_a_decision_tells_what_was_not_read_as_it_was_sent(
    dispatcher: Dispatcher, client: httpx.AsyncClient
) -> None:
    body = {
        "order_id": "o-1",
        "occurred_at": START.isoformat().replace("T", " "),
        "customer": {"id": "c-1", "email": "ana@example.com", "region": ""},
        "items": [{"name": "A wooden train", "price": "free"}] * 600,
    }
    headers = [("ce_id", b"1"), ("ce_source", b"/shop"), ("ce_type", b"order.placed")]
    value = json.dumps(body).encode()
    await dispatcher.handle(read(ORDERS, partition=0, offset=0, key=None, value=value, headers=headers))
    (entry,) = (await client.get("/v1/customers/c-1/decisions")).json()["decisions"]
    assert entry["outcome"] == "timer_set"
    assert [(one["field"], one["change"]) for one in entry["adjustments"]] == [
        ("items", "cut"),
        ("items.price", "left_out"),
        ("occurred_at", "converted"),
    ]
    assert entry["adjustments"][1]["explanation"] == "items.price could not be understood, and was left out."


@pytest.mark.parametrize("customer", ["gid://shopify/Customer/1", "/", "a/decisions", "a%2Fb?c#d", "ж 🙂"])
async def test_decisions_are_found_under_whatever_id_the_shop_gives(
    dispatcher: Dispatcher, client: httpx.AsyncClient, customer: str
) -> None:
    await dispatcher.handle(order_event("placed", customer_id=customer))
    found = await client.get(f"/v1/customers/{quote(customer, safe='')}/decisions")
    assert found.status_code == 200, found.text
    assert [entry["outcome"] for entry in found.json()["decisions"]] == ["timer_set"]


async def test_a_key_is_required(client: httpx.AsyncClient) -> None:
    response = await client.get("/v1/customers/c-1/decisions", headers={"Authorization": "Bearer wrong"})
    assert response.status_code == 401
    assert response.headers["content-type"] == "application/problem+json"
