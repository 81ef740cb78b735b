"""What keeps a command from its work is told in a sentence, alike by all commands, and without the password."""

import asyncio
from urllib.parse import urlsplit

import pytest
from typer.testing import CliRunner

from deploy.local.ports import HOST, free_port
from deploy.local.provision import Database
from tools.hearback.__main__ import app


@pytest.mark.parametrize("command", ["letters", "outbox"])
async def test_what_keeps_a_command_from_its_work(
    database: Database, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    nobody = f"{HOST}:{free_port()}"
    monkeypatch.setenv("HEARBACK_KAFKA_BOOTSTRAP_SERVERS", nobody)
    right = urlsplit(database.owner_url)
    for url, sentence in (
        (f"postgresql://u:hidden@{nobody}/d", "refuses connections: it is not running there"),
        (
            f"postgresql://{right.username}:hidden@{right.hostname}:{right.port}{right.path}",
            "does not accept the password",
        ),
        (f"mysql://u:hidden@{nobody}/d", "HEARBACK_DATABASE_URL must start with postgresql://"),
    ):
        monkeypatch.setenv("HEARBACK_DATABASE_URL", url)
        ended = await asyncio.to_thread(CliRunner().invoke, app, [command, "list"])
        assert ended.exit_code == 2
        assert sentence in ended.output and "hidden" not in ended.output
        assert "HEARBACK_DATABASE_URL" in ended.output and "Traceback" not in ended.output
    # As sslmode is in the URL of every managed database; asyncpg alone knows no connect_timeout.
    monkeypatch.setenv("HEARBACK_DATABASE_URL", f"{database.owner_url}?sslmode=prefer&connect_timeout=3")
    ended = await asyncio.to_thread(CliRunner().invoke, app, [command, "list"])
    assert ended.exit_code == 0, ended.output


@pytest.mark.parametrize(
    ("arguments", "commands"),
    [
        (["leters"], "run, migrate, audit, database, topics, settings, letters, outbox"),
        (["outbox", "nope"], "list, retry, drop"),
    ],
)
def test_who_asks_for_a_command_that_does_not_exist_is_told_those_that_do(arguments: list[str], commands: str) -> None:
    ended = CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})
    assert ended.exit_code == 2
    assert f"there is no command {arguments[-1]!r}; choose from {commands}" in ended.output
