"""Fixtures for tests with a real Kafka or PostgreSQL, and how tests are distributed to workers.

With HEARBACK_KAFKA_BOOTSTRAP_SERVERS or HEARBACK_DATABASE_URL set, tests use those, unless they are the local stack's
own; otherwise the first test that needs one starts it under `.hearback/test/`. All workers share it, and it is stopped
at the end of the session.

Fixtures import what they need when they are used, because unit tests must not import Kafka's or PostgreSQL's drivers.
"""

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
import pytest_asyncio

from tests.kit import environment, ports, tiers
from tests.kit.session import Session

if TYPE_CHECKING:
    from deploy.local.backends import Backends
    from deploy.local.provision import Database


# How long an example takes depends on what else the machine is doing.
hypothesis.settings.register_profile("hearback", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("hearback")

SESSION = pytest.StashKey[Session]()


def pytest_configure(config: pytest.Config) -> None:
    worker: dict[str, Any] | None = getattr(config, "workerinput", None)
    config.stash[SESSION] = Session.of(worker)
    if not worker:
        environment.forget_settings()  # workers inherit what is left
    # Kafka starts a dozen times and never lives long: compiling its code thoroughly takes longer than it ever saves.
    os.environ.setdefault("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1")
    if worker:
        ports.use_range_of_worker(int(worker["workerid"].removeprefix("gw")))


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

    config.option.loadscopereorder = False  # keeps our order
    scheduler = LoadScopeScheduling(config, log)
    scheduler._split_scope = tiers.unit_of
    return scheduler


def pytest_collect_directory(path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    folder = path.relative_to(parent.config.rootpath).as_posix()
    return tiers.PackageFolder.from_parent(parent, path=path) if folder in tiers.FOLDERS_WITH_ONE_STACK else None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: tiers.rank(item.nodeid))


@pytest.fixture(scope="session")
def kafka(pytestconfig: pytest.Config) -> str:
    """The bootstrap servers of a Kafka that all tests share; `topic_prefix` isolates a test."""
    from tests.kit import backends

    return backends.address("kafka", pytestconfig.stash[SESSION])


@pytest.fixture(scope="session")
def kafka_disk(pytestconfig: pytest.Config, kafka: str) -> Path:
    """Where the broker of `kafka` keeps its partitions; skips the test if it is not ours."""
    from tests.kit import backends

    folder = backends.kafka_disk(pytestconfig.stash[SESSION])
    if folder is None:
        pytest.skip(f"the disks of {kafka} cannot be read")
    return folder


@pytest.fixture(scope="session")
def postgresql(pytestconfig: pytest.Config) -> str:
    """The owner's URL of a PostgreSQL that all tests share; `database` isolates a test."""
    from tests.kit import backends

    return backends.address("postgresql", pytestconfig.stash[SESSION])


@pytest.fixture(scope="session")
def backends(kafka: str, postgresql: str) -> "Backends":
    """Both, for tests that start processes."""
    from deploy.local.backends import Backends

    return Backends(kafka_bootstrap_servers=kafka, database_url=postgresql)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def template(pytestconfig: pytest.Config, postgresql: str) -> "Database":
    """The database that `database` is a copy of; nobody connects to it."""
    from tests.kit import backends

    return await backends.template(pytestconfig.stash[SESSION], postgresql)


@pytest_asyncio.fixture(loop_scope="session")
async def database(template: "Database", postgresql: str) -> "AsyncIterator[Database]":
    """A fresh database with the tables of every service, dropped after the test.

    `database.service_urls["scorer"]` is what that service gets as HEARBACK_DATABASE_URL;
    `database.owner_url` may read everything.
    """
    from tests.kit import backends

    async with backends.copy_of(template, postgresql) as fresh:
        yield fresh


@pytest_asyncio.fixture(loop_scope="session")
async def empty_database(postgresql: str) -> "AsyncIterator[Database]":
    """A fresh database with the four schemas and roles, but without tables: for migrations, and for whole stacks."""
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
    """A prefix for tests whose topics must exist but are neither written nor read."""
    from tests.kit import backends

    async with backends.topics_under_a_prefix(kafka) as prefix:
        yield prefix
