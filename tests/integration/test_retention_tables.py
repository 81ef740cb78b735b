"""Every table of every schema has its row in a retention table of the documentation, and only one."""

import re
from collections import Counter

import asyncpg
import pytest

from deploy.local.programs import PROJECT
from deploy.local.provision import Database
from shared.processes import SERVICES

EVERY_SERVICE = "operations"
"""The page with the tables that several services have."""
HOW_LONG = {"kept", "goes", "how long"}
"""What the column that says it is called."""


def documented(page: str) -> Counter[str]:
    """The tables with a row in a retention table of the page, and how often."""
    found: Counter[str] = Counter()
    in_retention_table = False
    for line in (PROJECT / f"docs/{page}.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("|") else []
        if cells and cells[0] == "table":
            in_retention_table = not HOW_LONG.isdisjoint(cells)
        elif in_retention_table and cells:
            found.update(re.findall(r"`(\w+)`", cells[0]))
        else:
            in_retention_table = False
    return found


async def tables_by_schema(database: Database) -> dict[str, set[str]]:
    connection = await asyncpg.connect(database.owner_url)
    try:
        rows = await connection.fetch(
            "SELECT table_schema, table_name FROM information_schema.tables"
            " WHERE table_schema = ANY($1::text[]) AND table_type = 'BASE TABLE'",
            list(SERVICES),
        )
    finally:
        await connection.close()
    found: dict[str, set[str]] = {service: set() for service in SERVICES}
    for schema, table in rows:
        found[schema].add(table)
    return found


async def test_every_table_says_how_long_it_keeps_what(database: Database) -> None:
    common = documented(EVERY_SERVICE)
    tables = await tables_by_schema(database)
    for service, names in tables.items():
        own = documented(service)
        assert own.keys() <= names, f"docs/{service}.md lists tables that do not exist"
        assert own.keys().isdisjoint(common), f"docs/{service}.md repeats tables of docs/{EVERY_SERVICE}.md"
        assert names <= own.keys() | common.keys(), f"tables of the {service} without a row"
    assert common.keys() <= set.union(*tables.values())


@pytest.mark.parametrize("page", [*SERVICES, EVERY_SERVICE])
def test_a_page_says_it_once(page: str) -> None:
    found = documented(page)
    assert found
    assert max(found.values()) == 1
