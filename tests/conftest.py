"""What tests of the real thing stand on: a Kafka, a PostgreSQL, and a fresh database and topics for each test.

With HEARBACK_KAFKA_BOOTSTRAP_SERVERS or HEARBACK_DATABASE_URL set, tests run against those; otherwise the first
test that needs one starts it under `.hearback/test/`, for all workers, and it ends with the session.

The fixtures import what they need when they are used: unit tests know neither Kafka nor PostgreSQL.
"""

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from tests.kit import ports, tiers
from tests.kit.session import Session

if TYPE_CHECKING:
    from deploy.local.backends import Backends
    from deploy.local.provision import Database


SESSION = pytest.StashKey[Session]()


def pytest_configure(config: pytest.Config) -> None:
    worker: dict[str, Any] | None = getattr(config, "workerinput", None)
    config.stash[SESSION] = Session.of(worker)
    if worker:
        ports.choose_from_range(1 + int(worker["workerid"].removeprefix("gw")) % tiers.MOST_WORKERS)


def pytest_unconfigure(config: pytest.Config) -> None:
    session = config.stash[SESSION]
    if session.owner == os.getpid() and session.folder.exists():
        from tests.kit import backends

        backends.end(session)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    return tiers.workers(config.args)


def pytest_configure_node(node: Any) -> None:
    node.workerinput["owner"] = os.getpid()


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from xdist.scheduler import LoadScopeScheduling

    config.option.loadscopereorder = False  # the order is ours
    scheduler = LoadScopeScheduling(config, log)
    scheduler._split_scope = tiers.unit_of
    return scheduler


def pytest_collect_directory(path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    folder = path.relative_to(parent.config.rootpath).as_posix()
    return tiers.SharingFolder.from_parent(parent, path=path) if folder in tiers.SHARING else None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: tiers.in_order(item.nodeid))


@pytest.fixture(scope="session")
def kafka(pytestconfig: pytest.Config) -> str:
    """The bootstrap servers of a running Kafka, shared by the whole session; isolate with `topic_prefix`."""
    from tests.kit import backends

    return backends.address("kafka", pytestconfig.stash[SESSION])


@pytest.fixture(scope="session")
def postgresql(pytestconfig: pytest.Config) -> str:
    """The owner's URL of a running PostgreSQL, shared by the whole session; isolate with `database`."""
    from tests.kit import backends

    return backends.address("postgresql", pytestconfig.stash[SESSION])


@pytest.fixture(scope="session")
def backends(kafka: str, postgresql: str) -> "Backends":
    """Both, for tests of whole processes."""
    from deploy.local.backends import Backends

    return Backends(kafka, postgresql)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def template(pytestconfig: pytest.Config, postgresql: str) -> "Database":
    """The database of which `database` is a copy; nobody connects to it."""
    from tests.kit import backends

    return await backends.template(pytestconfig.stash[SESSION], postgresql)


@pytest_asyncio.fixture(loop_scope="session")
async def database(template: "Database", postgresql: str) -> "AsyncIterator[Database]":
    """A fresh database with the tables of every service, gone after the test.

    `database.service_urls["scorer"]` is what that service gets as HEARBACK_DATABASE_URL;
    `database.owner_url` may read everything.
    """
    from tests.kit import backends

    async with backends.copy_of(template, postgresql) as fresh:
        yield fresh


@pytest_asyncio.fixture(loop_scope="session")
async def empty_database(postgresql: str) -> "AsyncIterator[Database]":
    """A fresh database with the four schemas and roles and nothing in them: for migrations, and for whole stacks,
    which provision it with passwords of their own."""
    from deploy.local.provision import temporary_database

    async with temporary_database(postgresql) as fresh:
        yield fresh


@pytest_asyncio.fixture(loop_scope="session")
async def topic_prefix(kafka: str) -> AsyncIterator[str]:
    """A prefix no other test uses, for HEARBACK_TOPIC_PREFIX; its topics are deleted after the test."""
    from tests.kit import backends

    async with backends.topics_under_a_prefix(kafka) as prefix:
        yield prefix


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_topic_prefix(kafka: str) -> AsyncIterator[str]:
    """The same for tests that need topics to exist, and neither write to them nor read them."""
    from tests.kit import backends

    async with backends.topics_under_a_prefix(kafka) as prefix:
        yield prefix
