"""The dispatcher over HTTP, and campaigns coming into force."""

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
import pytest_asyncio

from services.dispatcher.actions import campaigns as catalogue
from services.dispatcher.domain.campaigns import parse
from services.dispatcher.repository import campaigns
from tests.integration.dispatcher.conftest import campaign_folder
from tests.integration.dispatcher.kit import HOUR, KEY, START, Dispatcher, Open, order_event


@pytest_asyncio.fixture(loop_scope="session")
async def client(dispatcher: Dispatcher) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=dispatcher.app)
    headers = {"Authorization": f"Bearer {KEY}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://dispatcher", headers=headers) as opened:
        yield opened


async def test_the_story_of_a_customer_is_told_newest_first_in_pages(
    dispatcher: Dispatcher, client: httpx.AsyncClient
) -> None:
    await dispatcher.take_in(order_event("placed", event_id="shop-1"), order_event("paid", at=START + HOUR))
    await dispatcher.pass_time(START + HOUR)
    first = (await client.get("/v1/customers/c-1/decisions", params={"limit": 2})).json()
    assert [entry["outcome"] for entry in first["decisions"]] == ["sent", "no_timer"]
    (survey,) = await dispatcher.published()
    assert first["decisions"][0]["send_id"] == survey["send_id"]
    assert first["decisions"][0]["explanation"] == "Sent: it came due, and nothing spoke against it."
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
    assert (await client.get("/v1/customers/nobody/decisions")).json() == {"decisions": [], "next_cursor": None}


@pytest.mark.parametrize("customer", ["gid://shopify/Customer/1", "/", "a/decisions", "a%2Fb?c#d", "ж 🙂"])
async def test_the_story_is_found_under_whatever_id_the_shop_gives(
    dispatcher: Dispatcher, client: httpx.AsyncClient, customer: str
) -> None:
    await dispatcher.take_in(order_event("placed", customer_id=customer))
    found = await client.get(f"/v1/customers/{quote(customer, safe='')}/decisions")
    assert [entry["outcome"] for entry in found.json()["decisions"]] == ["timer_set"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/campaigns"),
        ("PUT", "/v1/campaigns/a"),
        ("POST", "/v1/campaigns/service-nps/dry-run"),
        ("GET", "/v1/customers/c-1/decisions"),
    ],
)
async def test_nothing_is_told_without_a_key(client: httpx.AsyncClient, method: str, path: str) -> None:
    answer = await client.request(method, path, headers={"Authorization": "Bearer wrong"})
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_put_campaign_is_a_new_version_only_when_it_differs(
    dispatcher: Dispatcher, client: httpx.AsyncClient
) -> None:
    before = (await client.get("/v1/campaigns/service-nps")).json()
    assert before["version"] == 1
    assert before["definition"]["trigger"] == [{"after": "order.placed", "delay": "1 hour"}]
    same = await client.put("/v1/campaigns/service-nps", json=before["definition"])
    assert same.json()["version"] == 1
    changed = "id: service-nps\npriority: 5\ntrigger: {after: order.paid}\ntexts: {en: {subject: 'How was {brand}?'}}\n"
    answer = await client.put("/v1/campaigns/service-nps", content=changed)
    assert (answer.status_code, answer.json()["version"]) == (200, 2)
    published = await dispatcher.published("surveys.campaigns")
    assert [(each["campaign"], each["campaign_version"]) for each in published] == [
        ("product-nps", 1),
        ("relationship-nps", 1),
        ("service-nps", 1),
        ("service-nps", 2),
    ]
    assert published[-1]["texts"] == {"en": {"subject": "How was {brand}?"}}
    # The new definition holds from the next event on.
    await dispatcher.take_in(order_event("paid"))
    assert (await dispatcher.timers())["service-nps o-1"] == START


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ("id: other\ntrigger: {after: order.paid}", 422, "the address says 'service-nps'"),
        ("id: service-nps\ntrigger: {after: order.paid, delay: soon}", 422, "trigger.0.delay is 'soon'"),
        (b"\xff", 422, "UTF-8"),
        ("x" * 70_000, 413, "65,536 bytes"),
        ("", 422, "must be a mapping"),
    ],
)
async def test_a_bad_definition_is_refused_with_field_and_value(
    client: httpx.AsyncClient, body: str | bytes, status: int, said: str
) -> None:
    answer = await client.put("/v1/campaigns/service-nps", content=body)
    assert answer.status_code == status
    assert said in answer.json()["detail"]
    assert (await client.get("/v1/campaigns/service-nps")).json()["version"] == 1


async def test_no_such_campaign(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/campaigns/nothing")).status_code == 404
    assert len((await client.get("/v1/campaigns")).json()["campaigns"]) == 3


async def test_a_dry_run_tells_what_would_happen_and_keeps_nothing(
    dispatcher: Dispatcher, client: httpx.AsyncClient
) -> None:
    sample = {
        "type": "order.placed",
        "body": {
            "order_id": "o-7",
            "occurred_at": "2026-03-01T12:00:00Z",
            "customer": {"id": "c-1", "email": "ana@example.com", "country": "BR"},
        },
    }
    tried = (await client.post("/v1/campaigns/service-nps/dry-run", json=sample)).json()
    assert (tried["outcome"], tried["due_at"], tried["segments"]["country"]) == ("sent", "2026-03-01T13:00:00Z", "BR")
    awaited = (await client.post("/v1/campaigns/product-nps/dry-run", json=sample)).json()
    assert (awaited["outcome"], awaited["reason"]) == ("no_timer", "milestone_awaited")
    in_general = (await client.post("/v1/campaigns/product-nps/dry-run")).json()
    assert "30 days after order.delivered" in in_general["explanation"]
    assert (await client.post("/v1/campaigns/relationship-nps/dry-run", json=sample)).json()["outcome"] == "sent"
    assert await dispatcher.rows("SELECT * FROM orders") == []
    # The customer's history counts.
    await dispatcher.take_in(order_event("placed"))
    await dispatcher.pass_time(START + HOUR)
    quiet = (await client.post("/v1/campaigns/service-nps/dry-run", json=sample)).json()
    assert (quiet["outcome"], quiet["reason"]) == ("skipped", "expired")
    bodiless = await client.post("/v1/campaigns/service-nps/dry-run", json={**sample, "body": {"order_id": "o-7"}})
    assert bodiless.status_code == 422
    assert "occurred_at: Field required" in bodiless.json()["detail"]
    wrong = await client.post("/v1/campaigns/service-nps/dry-run", json={"type": "order.eaten", "body": sample["body"]})
    assert wrong.status_code == 422


async def test_files_are_taken_in_again_only_when_they_say_something_new(open_dispatcher: Open, tmp_path: Path) -> None:
    one = "id: one\ntrigger: {after: order.placed}\n"
    folder = campaign_folder(tmp_path / "campaigns", one=one, two="id: two\nevery: 30 days\n")
    dispatcher = await open_dispatcher(campaigns_dir=folder)

    async def restarted() -> dict[str, tuple[int, bool, int]]:
        await catalogue.take_in_files(dispatcher.runtime, catalogue.read_folder(folder))
        async with dispatcher.runtime.read_only() as connection:
            stored = await campaigns.all_of_them(connection)
        return {name: (each.version, each.campaign.active, each.campaign.priority) for name, each in stored.items()}

    assert await restarted() == {"one": (1, True, 100), "two": (1, True, 100)}
    by_api = parse(one + "priority: 3", "api")
    await catalogue.put(dispatcher.runtime, by_api)
    assert (await restarted())["one"] == (2, True, 3), "a restart does not undo what came by API"
    campaign_folder(folder, one=one + "priority: 9")
    assert (await restarted())["one"] == (3, True, 9), "a changed file is in force"
    (folder / "two.yaml").unlink()
    assert (await restarted())["two"] == (2, False, 100), "a campaign without a file is switched off"
    assert (await restarted())["two"] == (2, False, 100)


async def test_a_changed_brand_is_published_under_a_new_version(open_dispatcher: Open) -> None:
    await open_dispatcher()
    renamed = await open_dispatcher(brand_name="Nordlys")
    published = await renamed.published("surveys.campaigns")
    assert [(each["campaign_version"], each["brand"]["name"]) for each in published] == [(1, "Our shop")] * 3 + [
        (2, "Nordlys")
    ] * 3
