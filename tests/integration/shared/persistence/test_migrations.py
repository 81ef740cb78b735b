"""Every migration preserves the rows of the revision before, or changes them as intended.

The rows are in `tests/integration/<service>/migrations/rows.py`.
"""

import importlib
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from types import ModuleType

import pytest
import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncEngine

from deploy.local.provision import Database
from shared.persistence.engine import open_engine
from shared.persistence.migrations import migrate, newest
from shared.processes import SERVICES
from tests.kit.migrations import Step, contents, insert, steps, upgrade
from tests.kit.rows import differences

LATER_STEPS = [(service, step) for service in SERVICES for step in steps(service)[1:]]


def name(value: str | Step) -> str:
    return value if isinstance(value, str) else value.revision


def rows_of(service: str) -> ModuleType:
    return importlib.import_module(f"tests.integration.{service}.migrations.rows")


@pytest_asyncio.fixture(loop_scope="session")
async def engine_of(empty_database: Database) -> AsyncIterator[Callable[[str], AsyncEngine]]:
    """An engine for a service, on a database without tables."""
    async with AsyncExitStack() as opened:

        def open_one(service: str) -> AsyncEngine:
            engine = open_engine(empty_database.service_urls[service], name="test")
            opened.push_async_callback(engine.dispose)
            return engine

        yield open_one


async def filled_up_to(engine: AsyncEngine, service: str, last: str) -> None:
    """Upgrades to a revision, and inserts the rows of each revision when it has been reached."""
    for step in steps(service):
        await upgrade(engine, service, step.revision)
        async with engine.begin() as connection:
            await insert(connection, rows_of(service).ROWS[step.revision])
        if step.revision == last:
            return
    raise AssertionError(f"{service} has no revision {last}")


@pytest.mark.parametrize(("service", "step"), LATER_STEPS, ids=name)
async def test_rows_survive_the_migration(engine_of: Callable[[str], AsyncEngine], service: str, step: Step) -> None:
    assert step.before is not None
    engine = engine_of(service)
    await filled_up_to(engine, service, step.before)
    async with engine.connect() as connection:
        before = await contents(connection)
    await upgrade(engine, service, step.revision)
    async with engine.connect() as connection:
        after = await contents(connection)
    assert differences(before, after, rows_of(service).AFTER.get(step.revision, {})) == []


@pytest.mark.parametrize("service", SERVICES)
async def test_every_revision_and_table_has_rows(engine_of: Callable[[str], AsyncEngine], service: str) -> None:
    """Otherwise the next migration would go untested."""
    engine = engine_of(service)
    revisions = [step.revision for step in steps(service)]
    assert list(rows_of(service).ROWS) == revisions
    assert rows_of(service).AFTER.keys() <= set(revisions)
    await filled_up_to(engine, service, revisions[-1])
    async with engine.connect() as connection:
        assert [table for table, rows in (await contents(connection)).items() if not rows] == []


@pytest.mark.parametrize("service", SERVICES)
async def test_an_older_schema_is_migrated_and_a_current_one_left_alone(
    engine_of: Callable[[str], AsyncEngine], service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest revision is known by its file's name, so that Alembic is not needed to find nothing to do."""
    first, *_, last = steps(service)
    engine = engine_of(service)
    await upgrade(engine, service, first.revision)
    await migrate(service, engine)
    async with engine.connect() as connection:
        tables = await contents(connection)
    monkeypatch.setattr("alembic.command.upgrade", None)
    await migrate(service, engine)
    assert newest(service) == last.revision
    assert tables.keys() > {"outbox", "outbox_set_aside", "stopped_partitions"}


@pytest.mark.parametrize("service", SERVICES)
def test_a_process_imports_nothing_it_needs_only_to_migrate(service: str) -> None:
    program = f"import sys, services.{service}.__main__; print('alembic' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"
