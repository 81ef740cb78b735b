"""What tests of the real thing stand on: a Kafka, a PostgreSQL, and a fresh corner of each.

With HEARBACK_KAFKA_BOOTSTRAP_SERVERS and HEARBACK_DATABASE_URL set, tests run against those;
otherwise the first test that needs them starts its own under `.hearback/test/`.
"""

import os
import secrets
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from deploy.local.backends import Backends, External, start_backends, unreported
from deploy.local.install_folder import remove_data
from deploy.local.ports import StackPorts
from deploy.local.provision import Database, temporary_database
from deploy.local.supervisor import Supervisor, start_time
from deploy.local.topics import delete_topics

TEST_STATE = Path(__file__).parent.parent / ".hearback" / "test"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def backends() -> AsyncIterator[Backends]:
    """A running Kafka and PostgreSQL, shared by the whole session; isolate with `database` and `topic_prefix`."""
    external = External.from_environment()
    if external.kafka_bootstrap_servers and external.database_url:
        yield Backends(external.kafka_bootstrap_servers, external.database_url)
        return
    folder = _session_folder()
    supervisor = Supervisor(folder / "processes.json")
    try:
        yield await start_backends(
            supervisor, folder, StackPorts.free(), secrets.token_urlsafe(16), external, unreported
        )
    finally:
        await supervisor.stop_all()
        _remove(folder)


@pytest_asyncio.fixture(loop_scope="session")
async def database(backends: Backends) -> AsyncIterator[Database]:
    """A fresh database with the four schemas and roles, gone after the test.

    `database.service_urls["scorer"]` is what that service gets as HEARBACK_DATABASE_URL;
    `database.owner_url` may read everything.
    """
    async with temporary_database(backends.database_url) as fresh:
        yield fresh


@pytest_asyncio.fixture(loop_scope="session")
async def topic_prefix(backends: Backends) -> AsyncIterator[str]:
    """A prefix no other test uses, for HEARBACK_TOPIC_PREFIX; its topics are deleted after the test."""
    prefix = f"test-{secrets.token_hex(6)}."
    yield prefix
    await delete_topics(backends.kafka_bootstrap_servers, prefix)


def _session_folder() -> Path:
    """A folder of this session's own, after removing those of sessions that are no more."""
    TEST_STATE.mkdir(parents=True, exist_ok=True)
    for old in TEST_STATE.iterdir():
        if old.name.isdigit() and start_time(int(old.name)) is None:
            _remove(old)
    folder = TEST_STATE / str(os.getpid())
    _remove(folder)
    folder.mkdir()
    return folder


def _remove(folder: Path) -> None:
    remove_data(folder / "postgresql")
    shutil.rmtree(folder, ignore_errors=True)
