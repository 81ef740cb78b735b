"""Routing rules through the API: read, replaced, followed by every replica; invalid rules change nothing."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from services.alerter.actions import routing as actions
from services.alerter.settings import DEFAULT_ROUTING
from shared.messaging.topics import topic_names
from tests.integration.alerter.api.body import body
from tests.integration.alerter.kit import ROUTING_KEY, WRITE_KEY, Alerter
from tests.kit.eventually import eventually
from tests.kit.http import bearer, client_of
from tests.kit.openapi import ALWAYS, declared_statuses
from tests.unit.alerter.examples import answer


@pytest_asyncio.fixture(loop_scope="session")
async def client(alerter: Alerter) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(alerter.app, key=ROUTING_KEY) as opened:
        yield opened


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


def rules_with(queues: dict[str, str]) -> dict[str, Any]:
    return {
        "queues": queues,
        "rules": [
            {"name": "all", "scores": {"from": 0, "to": 10}, "queue": next(iter(queues)), "sla_hours": 24,
             "suggested_action": "Write to them."}
        ],
    }  # fmt: skip


async def test_whoever_handles_cases_may_not_change_the_rules(alerter: Alerter, client: httpx.AsyncClient) -> None:
    put = await client.put("/v1/routing", json=rules_with({"mine": "Mine"}), headers=bearer(WRITE_KEY))
    assert "routing:write" in (await body(put, 403))["detail"]
    assert "followups.mine" not in await topic_names(alerter.runtime.settings)


async def test_topics_made_for_new_queues_are_told_and_bounded(
    alerter: Alerter, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await body(await client.put("/v1/routing", json=rules_with({"first-new": "New"})))
    assert made["topics_created"] == [alerter.runtime.settings.topic("followups.first-new")]
    again = await body(await client.put("/v1/routing", json=rules_with({"first-new": "Same"})))
    assert again["topics_created"] == []
    stale = {"If-Match": f'"{made["version"]}"'}
    await body(await client.put("/v1/routing", json=rules_with({"stale": "Stale"}), headers=stale), 409)
    existing = {name for name in await topic_names(alerter.runtime.settings) if name.startswith("followups.")}
    monkeypatch.setattr(actions, "MAX_QUEUE_TOPICS", len(existing) + 1)
    refused = await client.put("/v1/routing", json=rules_with({"second-new": "2", "third-new": "3"}))
    problem = await body(refused, 422)
    assert "2 new queues" in problem["detail"] and f"of {len(existing)};" in problem["detail"]
    await body(await client.put("/v1/routing", json=rules_with({"detractors": "Old", "second-new": "2"})))
    # A broker tells of a new topic once its metadata has caught up.
    names = await eventually(
        lambda: topic_names(alerter.runtime.settings), "the topic", wanted=lambda found: "followups.second-new" in found
    )
    assert not names & {"followups.third-new", "followups.stale"}
    # More than there may be, since the limit was higher: rules that need no further topic can still be replaced.
    monkeypatch.setattr(actions, "MAX_QUEUE_TOPICS", 1)
    await body(await client.put("/v1/routing", json=rules_with({"detractors": "Old", "second-new": "Two"})))
    await body(await client.put("/v1/routing", json=rules_with({"fourth-new": "4"})), 422)


async def test_an_upgrade_does_not_replace_rules_set_through_the_api_and_a_file_of_ones_own_does(
    alerter: Alerter, client: httpx.AsyncClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def queues_after_a_start_with(file: Path) -> list[str]:
        alerter.runtime.settings.routing_file = file
        await actions.start(alerter.runtime)
        return list((await body(await client.get("/v1/routing")))["routing"]["queues"])

    shipped = tmp_path / "default.yaml"
    monkeypatch.setattr(actions, "DEFAULT_ROUTING", shipped)
    text = DEFAULT_ROUTING.read_text()
    shipped.write_text(text + "# one release\n")
    assert await queues_after_a_start_with(shipped) == ["detractors", "passives", "promoters"]
    await body(await client.put("/v1/routing", json=rules_with({"ours": "Ours"})))
    shipped.write_text(text + "# the next release\n")
    assert await queues_after_a_start_with(shipped) == ["ours"]
    own = tmp_path / "own.yaml"
    own.write_text(text)
    assert await queues_after_a_start_with(own) == ["detractors", "passives", "promoters"]


async def test_the_document_of_the_api_declares_the_errors_that_come(client: httpx.AsyncClient) -> None:
    declared = await declared_statuses(client)
    keyed = {"200", "401", "403", *ALWAYS}
    assert declared["GET /v1/routing"] == declared["GET /v1/cases"] == keyed
    assert declared["PUT /v1/routing"] == keyed | {"409"}
    assert declared["GET /v1/cases/{case_id}"] == keyed | {"404"}
    for change in ("assign", "contact", "note", "close", "reopen"):
        assert declared[f"POST /v1/cases/{{case_id}}/{change}"] == keyed | {"404", "409"}
