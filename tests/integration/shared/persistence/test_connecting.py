"""What keeps a process from PostgreSQL is told in a sentence, which never has the password."""

import socket
from urllib.parse import urlsplit

import pytest

from deploy.local.ports import HOST, free_port
from deploy.local.provision import Database
from shared.persistence.connecting import CannotConnect
from shared.persistence.engine import open_engine, probe

PASSWORD = "hunter2-secret"


def changed(url: str, **parts: str) -> str:
    """The URL with another user, password, host or database, or with a query."""
    split = urlsplit(url)
    user, password = parts.get("user", split.username), parts.get("password", split.password)
    host = parts.get("host", f"{split.hostname}:{split.port}")
    database = parts.get("database", split.path.lstrip("/"))
    return f"postgresql://{user}:{password}@{host}/{database}{parts.get('query', '')}"


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        ({"password": PASSWORD}, "does not accept the password of {user}, or knows no such user"),
        ({"user": "nobody", "password": PASSWORD}, "does not accept the password of nobody"),
        ({"database": "nowhere"}, "has no database nowhere"),
        ({"database": "template0"}, "refuses the connection: ObjectNotInPrerequisiteStateError, SQLSTATE 55000"),
        ({"host": "no-such-host.invalid", "password": PASSWORD}, "cannot be found: no host is called no-such-host"),
        ({"query": "?sslmode=require"}, "offers no TLS, which sslmode demands"),
    ],
)
async def test_what_the_server_said(database: Database, parts: dict[str, str], sentence: str) -> None:
    url = changed(database.service_urls["scorer"], **parts)
    engine = open_engine(url, name="test")
    try:
        with pytest.raises(CannotConnect) as raised:
            async with engine.connect():
                pass
        told = await probe(engine)
    finally:
        await engine.dispose()
    split = urlsplit(url)
    said = str(raised.value)
    assert f"PostgreSQL at {split.hostname}:{split.port or 5432} {sentence.format(user=split.username)}" in said
    assert said.endswith("(HEARBACK_DATABASE_URL)")
    assert told is not None and said in told
    assert str(split.password) not in told


async def test_nobody_listens() -> None:
    engine = open_engine(f"postgresql://u:{PASSWORD}@{HOST}:{free_port()}/d", name="test")
    told = await probe(engine)
    assert told is not None and "refuses connections: it is not running there" in told and PASSWORD not in told


async def test_a_server_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.persistence.engine._CONNECT_SECONDS", 0.2)
    with socket.socket() as silent:
        silent.bind((HOST, 0))
        silent.listen()
        engine = open_engine(f"postgresql://u:{PASSWORD}@{HOST}:{silent.getsockname()[1]}/d", name="test")
        told = await probe(engine)
    assert told is not None and "does not respond" in told and PASSWORD not in told
