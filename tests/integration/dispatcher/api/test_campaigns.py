"""Campaigns over HTTP: reading, changing and trying them."""

import httpx
import pytest

from shared.contracts import topics
from tests.integration.dispatcher.kit import HOUR, START, Dispatcher, order_event
from tests.kit.openapi import ALWAYS, declared_statuses


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/campaigns"),
        ("PUT", "/v1/campaigns/a"),
        ("POST", "/v1/campaigns/service-nps/dry-run"),
    ],
)
async def test_a_key_is_required(client: httpx.AsyncClient, method: str, path: str) -> None:
    response = await client.request(method, path, headers={"Authorization": "Bearer wrong"})
    assert response.status_code == 401
    assert response.headers["content-type"] == "application/problem+json"


async def test_a_put_campaign_is_a_new_version_only_when_it_differs(
    dispatcher: Dispatcher, client: httpx.AsyncClient
) -> None:
    before = (await client.get("/v1/campaigns/service-nps")).json()
    assert before["version"] == 1
    assert before["definition"]["trigger"] == [{"after": "order.placed", "delay": "1 hour"}]
    same = await client.put("/v1/campaigns/service-nps", json=before["definition"])
    assert same.json()["version"] == 1
    changed = "id: service-nps\npriority: 5\ntrigger: {after: order.paid}\ntexts: {en: {subject: 'How was {brand}?'}}\n"
    response = await client.put("/v1/campaigns/service-nps", content=changed)
    assert (response.status_code, response.json()["version"]) == (200, 2)
    published = await dispatcher.published(topics.CAMPAIGNS.name)
    assert [(each["campaign"], each["campaign_version"]) for each in published] == [
        ("product-nps", 1),
        ("relationship-nps", 1),
        ("service-nps", 1),
        ("service-nps", 2),
    ]
    assert published[-1]["texts"] == {"en": {"subject": "How was {brand}?"}}
    # The new definition applies from the next event on.
    await dispatcher.handle(order_event("paid"))
    assert (await dispatcher.timers())["service-nps o-1"] == START


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ("id: other\ntrigger: {after: order.paid}", 422, "but the URL says 'service-nps'"),
        ("id: service-nps\ntrigger: {after: order.paid, delay: soon}", 422, "trigger.0.delay is 'soon'"),
        (b"\xff", 422, "UTF-8"),
        ("x" * 70_000, 413, "65,536 bytes"),
        ("", 422, "must be a mapping"),
    ],
)
async def test_a_bad_definition_is_refused_with_field_and_value(
    client: httpx.AsyncClient, body: str | bytes, status: int, said: str
) -> None:
    response = await client.put("/v1/campaigns/service-nps", content=body)
    assert response.status_code == status
    assert said in response.json()["detail"]
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
    await dispatcher.handle(order_event("placed"))
    await dispatcher.pass_time(START + HOUR)
    quiet = (await client.post("/v1/campaigns/service-nps/dry-run", json=sample)).json()
    assert (quiet["outcome"], quiet["reason"]) == ("skipped", "expired")
    bodiless = await client.post("/v1/campaigns/service-nps/dry-run", json={**sample, "body": {"order_id": "o-7"}})
    assert bodiless.status_code == 422
    assert "occurred_at: Field required" in bodiless.json()["detail"]
    wrong = await client.post("/v1/campaigns/service-nps/dry-run", json={"type": "order.eaten", "body": sample["body"]})
    assert wrong.status_code == 422


SAMPLE = {
    "type": "order.placed",
    "body": {
        "order_id": "o-7",
        "occurred_at": "2026-03-01T12:00:00Z",
        "customer": {"id": "c-1", "email": "ana@example.com", "country": "br"},
        "total": {"amount": "120.00", "currency": "BRL"},
    },
}


async def test_a_definition_can_be_tried_before_it_comes_into_force(
    dispatcher: Dispatcher, client: httpx.AsyncClient
) -> None:
    definition = {
        "id": "gold",
        "trigger": {"after": "order.placed", "delay": "2 hours"},
        "audience": {"country": ["BR"], "tier": ["gold", "silver"]},
    }
    tried = (await client.post("/v1/campaigns/gold/dry-run", json={**SAMPLE, "definition": definition})).json()
    assert (tried["outcome"], tried["reason"]) == ("no_timer", "not_in_audience")
    assert tried["unmet"] == [{"dimension": "tier", "accepted": ["gold", "silver"], "found": []}]
    assert tried["segments"]["order_value"] == "BRL 100-250"
    definition["audience"] = {"country": "BR"}
    tried = (await client.post("/v1/campaigns/gold/dry-run", json={**SAMPLE, "definition": definition})).json()
    assert tried["explanation"] == (
        "Due at 2026-03-01 14:00 UTC. Would be sent: no rule would hold it back, as far as is known now."
    )
    checked = await client.put("/v1/campaigns/gold?validate=true", json=definition)
    assert (checked.status_code, checked.json()["applied"]) == (200, False)
    assert (await client.get("/v1/campaigns/gold")).status_code == 404
    other = await client.post("/v1/campaigns/silver/dry-run", json={**SAMPLE, "definition": definition})
    assert other.status_code == 422
    assert await dispatcher.rows("SELECT * FROM orders") == []


async def test_a_campaign_that_another_always_forestalls_is_told_so(client: httpx.AsyncClient) -> None:
    definition = {"id": "late", "trigger": {"after": "order.placed", "delay": "40 days"}}
    checked = (await client.put("/v1/campaigns/late?validate=true", json=definition)).json()
    (warning,) = checked["warnings"]
    assert "service-nps" in warning and "quiet_period" in warning
    applied = (await client.put("/v1/campaigns/late", json=definition)).json()
    assert (applied["applied"], applied["warnings"]) == (True, [warning])
    tried = (await client.post("/v1/campaigns/late/dry-run", json=SAMPLE)).json()
    assert tried["warnings"] == [warning]


async def test_a_campaign_that_would_always_push_another_aside_is_told_so(client: httpx.AsyncClient) -> None:
    soon = {"after": "order.placed", "delay": "3 days"}
    definition = {"id": "vip", "priority": 1, "trigger": soon, "valid_for": "100 days"}
    checked = (await client.put("/v1/campaigns/vip?validate=true", json=definition)).json()
    (warning,) = checked["warnings"]
    assert warning.startswith("service-nps will ask nobody: it stands aside for vip")
    tried = await client.post("/v1/campaigns/vip/dry-run", json={**SAMPLE, "definition": definition})
    assert tried.json()["warnings"] == [warning]


async def test_everything_that_is_wrong_with_a_definition_is_told_at_once(client: httpx.AsyncClient) -> None:
    definition = {"id": "a", "priority": 0, "trigger": {"after": "order.placed"}, "audience": {"country": "br"}}
    response = await client.put("/v1/campaigns/a", json=definition)
    assert response.status_code == 422
    told = response.json()["detail"].splitlines()
    assert len(told) == 2 and "priority is 0" in told[0] and "write 'BR'" in told[1]


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("audience: {country: br}", "audience.country is 'br': write 'BR'"),
        ('audience: {order_value: ["> 100 BRL"]}', "'BRL 100-250'"),
        ("audience: {delivery: early}", "on_time, late"),
        ("texts: {pt: {subject: 'Oi {nome}'}}", "texts.pt.subject has {nome}: possible are {brand}, {product}, {name}"),
    ],
)
async def test_what_could_match_or_fill_nothing_is_refused_with_what_is_possible(
    client: httpx.AsyncClient, field: str, said: str
) -> None:
    response = await client.put("/v1/campaigns/a", content=f"id: a\ntrigger: {{after: order.placed}}\n{field}\n")
    assert response.status_code == 422
    assert said in response.json()["detail"]


async def test_what_a_definition_may_say_is_listed(client: httpx.AsyncClient) -> None:
    options = (await client.get("/v1/campaign-options")).json()
    dimensions = {each["dimension"]: each for each in options["dimensions"]}
    assert "BRL 50-100" in dimensions["order_value"]["examples"]
    assert dimensions["delivery"]["values"] == ["on_time", "late"]
    assert options["placeholders"] == ["{brand}", "{product}", "{name}"]
    assert "pt" in options["languages"]


async def test_parameters_that_do_not_exist_are_refused(client: httpx.AsyncClient) -> None:
    for path in ("/v1/campaigns?page=2", "/v1/customers/c-1/decisions?limits=3"):
        response = await client.get(path)
        assert response.status_code == 422, path
        assert "is no parameter" in response.json()["detail"]
    response = await client.put("/v1/campaigns/a?validate=perhaps", content="id: a\nevery: 30 days")
    assert response.status_code == 422


async def test_the_document_of_the_api_declares_the_errors_that_come(client: httpx.AsyncClient) -> None:
    declared = await declared_statuses(client)
    keyed = {"200", "401", "403", *ALWAYS}
    assert declared["GET /v1/campaigns"] == keyed
    assert declared["GET /v1/campaigns/{campaign_id}"] == keyed | {"404"}
    assert declared["PUT /v1/campaigns/{campaign_id}"] == keyed | {"409"}
    assert declared["POST /v1/campaigns/{campaign_id}/dry-run"] == keyed | {"404"}
    assert declared["GET /v1/customers/{customer_id}/decisions"] == keyed
