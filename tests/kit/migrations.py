"""Upgrades a service's schema one revision at a time, with rows in its tables."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.persistence.migrations import configuration
from tests.kit.rows import Rows


@dataclass(frozen=True, slots=True)
class Step:
    """A revision and the one before, None for the first."""

    revision: str
    before: str | None


def steps(service: str) -> list[Step]:
    """From the first revision to the newest."""
    script = ScriptDirectory.from_config(configuration(service))
    walked = [Step(one.revision, _single(one.down_revision)) for one in script.walk_revisions()]
    return walked[::-1]


def _single(revision: str | Sequence[str] | None) -> str | None:
    assert revision is None or isinstance(revision, str), "the history must not branch"
    return revision


async def upgrade(engine: AsyncEngine, service: str, revision: str) -> None:
    config = configuration(service)

    def run(connection: Connection) -> None:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)

    async with engine.begin() as connection:
        await connection.run_sync(run)


async def insert(connection: AsyncConnection, rows: Rows) -> None:
    for table, values in rows.items():
        for row in values:
            columns = ", ".join(row)
            await connection.execute(
                text(
                    f"INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE"
                    f" SELECT {columns} FROM jsonb_populate_record(NULL::{table}, CAST(:row AS jsonb))"
                ),
                {"row": json.dumps(row)},
            )


async def contents(connection: AsyncConnection) -> dict[str, list[dict[str, Any]]]:
    """All rows of the service's tables, except alembic's own."""
    tables = await connection.execute(
        text(
            "SELECT table_name FROM information_schema.tables"
            " WHERE table_schema = current_schema() AND table_name <> 'alembic_version'"
        )
    )
    found: dict[str, list[dict[str, Any]]] = {}
    for table in tables.scalars().all():
        rows = await connection.execute(text(f"SELECT to_jsonb(t) AS row FROM {table} AS t"))
        found[table] = [row if isinstance(row, dict) else json.loads(row) for row in rows.scalars()]
    return found
