"""A public URL with a path: redirects, forms and assets keep it, whether the proxy in front strips it or not."""

import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from deploy.local.provision import Database
from tests.integration.collector.conftest import collector_with
from tests.integration.collector.kit import Collector, seen
from tests.kit.http import bearer
from tests.kit.settings import KEY

BASE = "/feedback"


@pytest_asyncio.fixture(loop_scope="session")
async def behind_a_path(database: Database) -> AsyncIterator[Collector]:
    async with collector_with(database, public_collector_url=f"https://shop.example{BASE}/") as opened:
        yield opened


@pytest.mark.parametrize("stripped", [True, False], ids=["the proxy strips it", "the proxy passes it on"])
async def test_every_address_keeps_the_path(behind_a_path: Collector, stripped: bool) -> None:
    collector = behind_a_path
    await collector.send()

    def asked(public: str) -> str:
        return public.removeprefix(BASE) if stripped else public

    links = collector.runtime.links
    page = links.answer_url("s-1").removeprefix("https://shop.example")
    assert page.startswith(f"{BASE}/s/s-1.")
    shown = await collector.client.get(asked(page))
    assert f'action="{page}"' in shown.text
    assets = re.findall(r'(?:href|src)="([^"]+[.](?:css|js)[^"]*)"', shown.text)
    assert assets
    for asset in assets:
        assert asset.startswith(f"{BASE}/static/")
        assert (await collector.client.get(asked(asset))).status_code == 200
    scored = await collector.client.post(asked(page), data={"score": "9"})
    assert scored.headers["location"] == f"{page}?step=comment"
    thanks = await collector.client.get(asked(f"{page}?step=thanks"))
    assert f'href="{page}"' in thanks.text
    repaired = await collector.client.get(asked(f"{page}.?score=3"))
    assert repaired.headers["location"] == f"{page}?score=3"

    in_upper_case = await collector.client.get(asked(f"{BASE}{page.removeprefix(BASE).upper()}"))
    assert in_upper_case.headers["location"] == page

    leave = links.unsubscribe_url("s-1").removeprefix("https://shop.example")
    assert f'action="{leave}"' in (await collector.client.get(asked(leave))).text
    left = await collector.client.post(asked(leave), data={"wish": "unsubscribe"})
    assert left.headers["location"] == leave

    broken = await collector.client.get(asked(f"{BASE}/s/forged"))
    assert "This link does not work" in seen(broken)
    missing = await collector.client.get(asked(f"{BASE}/nothing"), headers={"Accept": "text/html"})
    assert f"{BASE}/static/" in missing.text
    api = await collector.client.post(
        asked(f"{BASE}/v1/answers"), json={}, headers={**bearer(KEY), "Accept": "text/html"}
    )
    assert (api.status_code, api.headers["content-type"]) == (422, "application/problem+json")
    assert (await collector.client.get("/readyz")).status_code == 503
