"""An answer needs only PostgreSQL: while no broker can be reached, answers are taken all the same."""

import httpx

from deploy.local.ports import free_ports
from deploy.local.provision import Database
from tests.kit.eventually import eventually
from tests.kit.http import http_client
from tests.kit.processes import process
from tests.kit.settings import KEY, SECRET, api_key


async def test_a_collector_that_never_reached_kafka_is_ready_and_takes_answers(database: Database) -> None:
    closed, port = free_ports(2)
    environment = {
        "HEARBACK_DATABASE_URL": database.service_urls["collector"],
        "HEARBACK_KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{closed}",
        "HEARBACK_HTTP_PORT": str(port),
        "HEARBACK_SECRET": SECRET,
        "HEARBACK_API_KEYS": api_key("shop"),
    }
    async with process("services.collector", environment=environment), http_client(key=KEY) as client:

        async def ready() -> bool:
            try:
                return (await client.get(f"http://127.0.0.1:{port}/readyz")).status_code == 200
            except httpx.TransportError:
                return False

        await eventually(ready, "the collector to be ready", within=20)
        answered = await client.post(f"http://127.0.0.1:{port}/v1/answers", json={"score": 3})
        assert answered.status_code == 202
