"""One Kafka and one PostgreSQL for all processes of a test session, each started when the first test needs it.

Where HEARBACK_KAFKA_BOOTSTRAP_SERVERS or HEARBACK_DATABASE_URL names one, that is used, and nothing is started.
Databases are copies of one that has every service's tables already: a copy takes a fifth of the time of migrating.
"""

import asyncio
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path

import asyncpg
from sqlalchemy.engine import make_url

from deploy.local.backends import DATABASE_VARIABLE, KAFKA_VARIABLE
from deploy.local.install_folder import remove_data
from deploy.local.programs import PROJECT, SERVICES
from deploy.local.provision import Database, provision, role_name
from deploy.local.secrets_file import generate_passwords
from deploy.local.supervisor import ProcessRecord, last_lines, read_records, start_time, write_records
from deploy.local.topics import delete_topics
from shared.persistence.engine import open_engine
from shared.persistence.migrations import migrate
from tests.kit.session import TEST_STATE, Session

VARIABLES = {"kafka": KAFKA_VARIABLE, "postgresql": DATABASE_VARIABLE}
STARTS_WITHIN = 180.0
"""Seconds, the download of Kafka's jars included."""
STOPS_WITHIN = 60.0

_keepers: "list[subprocess.Popen[bytes]]" = []


def address(backend: str, session: Session) -> str:
    """Kafka's bootstrap servers, or the URL of PostgreSQL's owner; returns when the backend is ready."""
    if given := os.environ.get(VARIABLES[backend]):
        return given
    file = session.folder / f"{backend}.address"
    with session.alone(backend):
        if not file.exists():
            _start_keeper(backend, session, file)
    return file.read_text()


def _start_keeper(backend: str, session: Session, file: Path) -> None:
    _remove_what_dead_sessions_left()
    log_file = session.folder / f"{backend}.keeper.log"
    with log_file.open("wb") as log:
        keeper = subprocess.Popen(
            [sys.executable, "-m", "tests.kit.keeper", backend, str(session.folder)],
            cwd=PROJECT, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    _keepers.append(keeper)
    record = ProcessRecord(backend, keeper.pid, start_time(keeper.pid) or 0)
    write_records(session.folder / f"{backend}.keeper.json", [record])
    deadline = time.monotonic() + STARTS_WITHIN
    while not file.exists():
        if keeper.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{backend} did not start: {' / '.join(last_lines(log_file, 3))}")
        time.sleep(0.05)


def end(session: Session) -> None:
    """Stops what the session's processes started, and returns when none of it is left."""
    template = session.folder / "template.json"
    if template.exists() and (somebody_elses := os.environ.get(DATABASE_VARIABLE)):
        asyncio.run(_drop(Database(**json.loads(template.read_text())), somebody_elses))
    keepers = [record for backend in VARIABLES for record in read_records(session.folder / f"{backend}.keeper.json")]
    for keeper in keepers:
        os.kill(keeper.pid, signal.SIGTERM)
    deadline = time.monotonic() + STOPS_WITHIN
    while any(start_time(keeper.pid) == keeper.started for keeper in keepers):
        if time.monotonic() > deadline:
            raise RuntimeError(f"the session's backends did not stop: {session.folder} has their logs")
        time.sleep(0.05)
    session.remove()


def _remove_what_dead_sessions_left() -> None:
    """Only a session that died together with its keepers left anything."""
    for folder in TEST_STATE.glob("*-*"):
        if not Session.of_folder(folder).alive:
            remove_data(folder / "postgresql")
            Session.of_folder(folder).remove()


async def template(session: Session, owner_url: str) -> Database:
    """A database with the tables of every service, made once in a session; nobody connects to it, it is copied."""
    file = session.folder / "template.json"
    with session.alone("template"):
        if not file.exists():
            made = await _make_template(owner_url)
            file.write_text(json.dumps(asdict(made)))
    return Database(**json.loads(file.read_text()))


async def _make_template(owner_url: str) -> Database:
    name = f"test_template_{secrets.token_hex(4)}"
    await _execute(owner_url, f"CREATE DATABASE {name}")
    made = await provision(_with_database(owner_url, name), generate_passwords())
    for service, url in made.service_urls.items():
        engine = open_engine(url, name="template")
        await migrate(service, engine)
        await engine.dispose()
        # A copy takes over schemas, tables and rights, but not what was set for a role in the one database.
        await _execute(owner_url, f"ALTER ROLE {role_name(name, service)} SET search_path = {service}")
    await _execute(owner_url, f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false")
    return made


@asynccontextmanager
async def copy_of(original: Database, owner_url: str) -> AsyncIterator[Database]:
    """A copy of the template, dropped afterwards. The services' roles and passwords are the template's."""
    name = f"test_{secrets.token_hex(6)}"
    server = await asyncpg.connect(owner_url)
    try:
        await server.execute(f"CREATE DATABASE {name} TEMPLATE {original.name}")
        try:
            yield Database(
                _with_database(original.owner_url, name),
                {service: _with_database(url, name) for service, url in original.service_urls.items()},
            )
        finally:
            await server.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await server.close()


@asynccontextmanager
async def topics_under_a_prefix(kafka: str) -> AsyncIterator[str]:
    """A prefix of topics nobody else has; those that were made are deleted afterwards."""
    prefix = f"test-{secrets.token_hex(6)}."
    yield prefix
    await delete_topics(kafka, prefix)


async def _drop(made: Database, owner_url: str) -> None:
    await _execute(owner_url, f"DROP DATABASE {made.name} WITH (FORCE)")
    for service in SERVICES:
        await _execute(owner_url, f"DROP ROLE {role_name(made.name, service)}")


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def _with_database(url: str, name: str) -> str:
    return make_url(url).set(database=name).render_as_string(hide_password=False)
