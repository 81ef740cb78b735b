"""A process that cannot start yet says why, in its log and to /readyz: once, and again at growing distances."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.local.backends import Backends
from deploy.local.ports import HOST, free_ports
from deploy.local.provision import Database
from tests.kit.eventually import eventually
from tests.kit.http import http_client
from tests.kit.processes import process
from tests.kit.settings import SECRET

WRONG = "a-wrong-password"


def environment_of(database_url: str, kafka: str, port: int) -> dict[str, str]:
    return {
        "HEARBACK_DATABASE_URL": database_url,
        "HEARBACK_KAFKA_BOOTSTRAP_SERVERS": kafka,
        "HEARBACK_HTTP_PORT": str(port),
        "HEARBACK_SECRET": SECRET,
        "HEARBACK_QUIET_PERIOD_DAY": "40",
    }


@pytest.mark.parametrize("backend", ["database", "kafka"])
async def test_it_says_what_it_waits_for(database: Database, backends: Backends, backend: str, tmp_path: Path) -> None:
    closed, port = free_ports(2)
    url, kafka = database.service_urls["scorer"], f"{HOST}:{closed}"
    sentence = f"{kafka} refuses connections"
    if backend == "database":
        url, kafka = re.sub(r":[^:@]+@", f":{WRONG}@", url), backends.kafka_bootstrap_servers
        sentence = "does not accept the password of"
    log = tmp_path / "log"
    with log.open("wb") as output:
        async with (
            process("services.scorer", environment=environment_of(url, kafka, port), stderr=output),
            http_client() as client,
        ):

            async def obstacles() -> dict[str, Any]:
                try:
                    return dict((await client.get(f"http://{HOST}:{port}/readyz")).json()["obstacles"])
                except httpx.TransportError:
                    return {}

            async def told() -> bool:
                return sentence in (await obstacles()).get(backend, "")

            await eventually(told, "the reason", within=30)
            # Polled each second, told after 1, 2 and 4.
            await eventually(lambda: _twice(log), "the reason to be told again", within=10)
            assert set(await obstacles()) == {backend}
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    misspelt, *warnings = [line for line in lines if line["level"] != "info"]
    assert misspelt["event"].startswith("HEARBACK_QUIET_PERIOD_DAY is not known; did you mean"), "once, and first"
    assert {line["event"] for line in warnings} == {"waiting for a backend"}, "aiokafka's own would come each second"
    assert all(sentence in line["reason"] for line in warnings) and len(warnings) <= 4
    assert WRONG not in log.read_text()


async def _twice(log: Path) -> bool:
    return (await asyncio.to_thread(log.read_text)).count("waiting for") > 1
