"""`hearback database prepare` and `hearback migrate` lead from an empty database to one that every process can use."""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import asyncpg
import pytest
import pytest_asyncio
from typer.testing import CliRunner, Result

from deploy.local.backends import Backends
from deploy.local.provision import Database
from shared.persistence.migrations import newest
from shared.processes import SERVICES
from tools.hearback.__main__ import app


@pytest_asyncio.fixture(loop_scope="session")
async def empty(backends: Backends, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """The owner's URL of an empty database; the variables name it and roles that do not exist yet."""
    name = f"test_{secrets.token_hex(6)}"
    administrator = await asyncpg.connect(backends.database_url)
    await administrator.execute(f"CREATE DATABASE {name}")
    parts = urlsplit(backends.database_url)
    owner = parts._replace(path=f"/{name}").geturl()
    monkeypatch.setenv("HEARBACK_DATABASE_URL", owner)
    for service in SERVICES:
        server = parts.netloc.rpartition("@")[2]
        own = parts._replace(netloc=f"{name}_the_{service}:pass%20word@{server}", path=f"/{name}").geturl()
        monkeypatch.setenv(f"HEARBACK_{service.upper()}_DATABASE_URL", own)
    yield owner
    await administrator.execute(f"DROP DATABASE {name} WITH (FORCE)")
    for service in SERVICES:
        await administrator.execute(f"DROP ROLE IF EXISTS {name}_the_{service}")
    await administrator.close()


async def hearback(*arguments: str) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, app, arguments)


async def test_from_an_empty_database_to_tables_of_each_service(empty: str, monkeypatch: pytest.MonkeyPatch) -> None:
    early = await hearback("migrate", "scorer")
    assert early.exit_code == 2 and "Traceback" not in early.output and "HEARBACK_DATABASE_URL" in early.output
    with monkeypatch.context() as without:
        without.delenv("HEARBACK_SCORER_DATABASE_URL")
        early = await hearback("migrate", "scorer")
    assert early.exit_code == 2 and "hearback database prepare" in early.output.replace("\n", " ")

    for _ in range(2):  # it can be run again
        prepared = await hearback("database", "prepare")
        assert prepared.exit_code == 0, prepared.output
        assert "scorer: schema scorer" in prepared.output and "pass word" not in prepared.output
    for expected in ("scorer: new → ", "scorer: up to date at "):
        migrated = await hearback("migrate")
        assert migrated.exit_code == 0, migrated.output
        assert f"{expected}{newest('scorer')}" in migrated.output
    owner = await asyncpg.connect(empty)
    try:
        for service in SERVICES:
            table = await owner.fetchrow(
                "SELECT tableowner, has_table_privilege($2, schemaname || '.outbox', 'SELECT') AS others "
                "FROM pg_tables WHERE schemaname = $1 AND tablename = 'outbox'",
                service,
                f"{urlsplit(empty).path[1:]}_the_{'alerter' if service == 'scorer' else 'scorer'}",
            )
            assert table["tableowner"].endswith(f"_the_{service}") and not table["others"]
    finally:
        await owner.close()

    # Nor can one service's user do it for another.
    monkeypatch.setenv("HEARBACK_DATABASE_URL", os.environ["HEARBACK_ALERTER_DATABASE_URL"])
    monkeypatch.delenv("HEARBACK_SCORER_DATABASE_URL")
    alone = await hearback("migrate", "scorer")
    assert alone.exit_code == 2 and "may not act as" in alone.output.replace("\n", " ")


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("HEARBACK_SCORER_DATABASE_URL", "postgresql://127.0.0.1/x", "must name the user and the password"),
        ("HEARBACK_SCORER_DATABASE_URL", "mysql://u:hidden@127.0.0.1/x", "must start with postgresql://"),
        ("HEARBACK_SCORER_DATABASE_URL", "postgresql://u:hidden@127.0.0.1/other", "is of another database"),
    ],
)
async def test_a_url_that_cannot_be_meant_is_told(
    empty: str, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, sentence: str
) -> None:
    monkeypatch.setenv(variable, value)
    ended = await hearback("database", "prepare")
    assert ended.exit_code == 2
    assert variable in ended.output and sentence in ended.output.replace("\n", " ") and "hidden" not in ended.output


async def test_who_made_the_roles_can_act_as_them(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEARBACK_DATABASE_URL", database.owner_url)
    migrated = await hearback("migrate", "alerter")
    assert migrated.exit_code == 0, migrated.output
    assert f"alerter: up to date at {newest('alerter')}" in migrated.output
    unknown = await hearback("migrate", "alerta")
    assert unknown.exit_code == 2 and "choose from" in unknown.output
