"""Acknowledged is committed: whatever a collector was doing when it was killed, what it said is stored is stored."""

import asyncio
import signal

import asyncpg
import httpx
import pytest

from deploy.local.ports import free_ports
from deploy.local.provision import Database
from tests.kit.eventually import eventually
from tests.kit.http import http_client
from tests.kit.processes import process
from tests.kit.settings import KEY, SECRET, api_key

CLIENTS = 24


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
async def test_what_was_acknowledged_is_there_and_nothing_is_there_by_halves(
    database: Database, how: signal.Signals
) -> None:
    closed, port = free_ports(2)
    environment = {
        "HEARBACK_DATABASE_URL": database.service_urls["collector"],
        "HEARBACK_KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{closed}",
        "HEARBACK_HTTP_PORT": str(port),
        "HEARBACK_SECRET": SECRET,
        "HEARBACK_API_KEYS": api_key("shop"),
    }
    acknowledged: set[str] = set()
    async with process("services.collector", environment=environment) as collector, http_client(key=KEY) as client:

        async def ready() -> bool:
            try:
                return (await client.get(f"http://127.0.0.1:{port}/readyz")).status_code == 200
            except httpx.TransportError:
                return False

        async def keep_posting(number: int) -> None:
            for count in range(1_000_000):
                answer_id = f"a-{number}-{count}"
                body = {"answer_id": answer_id, "score": 3, "customer_id": f"c-{number}"}
                try:
                    response = await client.post(f"http://127.0.0.1:{port}/v1/answers", json=body)
                except httpx.TransportError:
                    return
                if response.status_code == 503:  # it is shutting down
                    return
                assert response.status_code == 202
                acknowledged.add(answer_id)

        async def some_acknowledged() -> bool:
            return len(acknowledged) > 200

        await eventually(ready, "the collector to be ready", within=30)
        posting = [asyncio.create_task(keep_posting(number)) for number in range(CLIENTS)]
        await eventually(some_acknowledged, "answers to be acknowledged", within=30)
        collector.send_signal(how)
        await collector.wait()
        await asyncio.gather(*posting)
    owner = await asyncpg.connect(database.owner_url)
    try:
        stored = {row[0] for row in await owner.fetch("SELECT answer_id FROM collector.answers")}
        announced = [row[0] for row in await owner.fetch("SELECT convert_from(key, 'UTF8') FROM collector.outbox")]
    finally:
        await owner.close()
    assert acknowledged <= stored
    assert sorted(announced) == sorted(stored)
    # At most one request of each client was on its way.
    assert len(stored - acknowledged) <= CLIENTS
