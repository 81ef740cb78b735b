"""`hearback outbox` lists what cannot be published, has it tried again, or drops it."""

import asyncio

import asyncpg
import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from deploy.local.provision import Database
from tools.hearback import set_aside
from tools.hearback.__main__ import app

INSERT = """
    INSERT INTO scorer.outbox_set_aside (id, topic, key, headers, value, created_at, tries, retry_at, reason)
    VALUES (5, 'nps.scores', 'k', '[]', 'x', now(), 3, now() + interval '1 hour', 'MESSAGE_SIZE_TOO_LARGE'),
           (6, 'nps.scores', 'k', '[]', 'x', now(), 0, NULL, ''),
           (7, 'nps.scores', 'another', '[]', 'x', now(), 0, NULL, '')
"""


async def test_what_cannot_be_published_is_listed_tried_again_and_dropped(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEARBACK_DATABASE_URL", database.owner_url)
    monkeypatch.setattr(set_aside, "console", Console(width=200))

    async def hearback(*arguments: str) -> Result:
        return await asyncio.to_thread(CliRunner().invoke, app, ["outbox", *arguments])

    assert "Every event can be published." in (await hearback("list")).output
    connection = await asyncpg.connect(database.owner_url)
    try:
        await connection.execute(INSERT)
        listed = (await hearback("list")).output
        assert "scorer/5" in listed
        assert "MESSAGE_SIZE_TOO_LARGE" in listed
        assert "scorer/6" not in listed
        assert listed.split("nps.scores")[1].split()[:2] == ["1", "3"], "one waits, three tries"

        assert (await hearback("retry")).exit_code == 0
        assert await connection.fetchval("SELECT retry_at <= now() FROM scorer.outbox_set_aside WHERE id = 5")

        assert (await hearback("drop", "scorer/6")).exit_code == 1, "it only waits"
        assert (await hearback("drop", "nobody/5")).exit_code == 2
        assert (await hearback("drop", "scorer/5")).exit_code == 0
        assert await connection.fetchval("SELECT array_agg(id ORDER BY id) FROM scorer.outbox_set_aside") == [6, 7]
    finally:
        await connection.close()
