"""Routing rules through the API: read, replaced, followed by every replica; invalid rules change nothing."""

import httpx

from tests.integration.alerter.api.body import body
from tests.integration.alerter.kit import Alerter
from tests.unit.alerter.examples import answer


async def test_routing_rules_are_read_replaced_and_followed_by_every_replica(
    alerter: Alerter, client: httpx.AsyncClient
) -> None:
    before = await body(await client.get("/v1/routing"))
    rules = before["routing"]
    rules["queues"]["rescue"] = "Rescue"
    rules["rules"][0]["queue"] = "rescue"
    put = await client.put("/v1/routing", json=rules, headers={"If-Match": str(before["version"])})
    after = await body(put)
    assert after["version"] == before["version"] + 1
    assert after["routing"]["rules"][0]["queue"] == "rescue"
    stale = await body(await client.put("/v1/routing", json=rules, headers={"If-Match": str(before["version"])}), 409)
    assert stale["version"] == after["version"]
    await alerter.receive(answer(1))
    assert [told.topic for told in await alerter.published()] == ["followups.rescue"]
    # A restart with the same file does not undo changes made through the API.
    assert alerter.service.start is not None
    await alerter.service.start()
    assert (await body(await client.get("/v1/routing")))["version"] == after["version"]


async def test_routing_rules_that_cannot_be_used_change_nothing(client: httpx.AsyncClient) -> None:
    before = await body(await client.get("/v1/routing"))
    for content in (b"", b"\xff", b"queues: [", b"queues: {a: A}\nrules: []"):
        await body(await client.put("/v1/routing", content=content), 422)
    await body(await client.put("/v1/routing", content=b"x" * 500_000), 413)
    assert await body(await client.get("/v1/routing")) == before
