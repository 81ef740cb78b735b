"""One Kafka and one PostgreSQL for all processes of a test session, each started when the first test needs it.

Databases are copies of a template that has every service's tables: copying takes 25 to 45 ms, while creating and
migrating a database takes 100 to 200 ms.
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

from deploy.local.external import DATABASE_VARIABLE, KAFKA_VARIABLE
from deploy.local.install_folder import remove_data
from deploy.local.programs import PROJECT
from deploy.local.provision import Database, provision
from deploy.local.secrets_file import generate_passwords
from deploy.local.supervisor import ProcessRecord, last_lines, read_records, start_time, write_records
from deploy.local.topics import delete_topics
from shared.persistence.engine import open_engine
from shared.persistence.migrations import migrate
from shared.persistence.provisioning import role_name
from shared.processes import SERVICES
from tests.kit.session import TEST_STATE, Session

VARIABLES = {"kafka": KAFKA_VARIABLE, "postgresql": DATABASE_VARIABLE}
START_TIMEOUT_SECONDS = 180.0
"""Includes the download of Kafka's jars."""
STOP_TIMEOUT_SECONDS = 60.0

_keepers: "list[subprocess.Popen[bytes]]" = []


def address(backend: str, session: Session) -> str:
    """Kafka's bootstrap servers, or the URL of PostgreSQL's owner; returns when the backend is ready."""
    if given := os.environ.get(VARIABLES[backend]):
        return given
    file = session.folder / f"{backend}.address"
    with session.lock(backend):
        if not file.exists():
            _start_keeper(backend, session, file)
    return file.read_text()


def kafka_disk(session: Session) -> Path | None:
    """The folder of Kafka's partitions; None if the session uses another broker than its own."""
    return None if os.environ.get(VARIABLES["kafka"]) else session.folder / "kafka" / "data"


def _start_keeper(backend: str, session: Session, file: Path) -> None:
    _remove_leftovers()
    log_file = session.folder / f"{backend}.keeper.log"
    with log_file.open("wb") as log:
        keeper = subprocess.Popen(
            [sys.executable, "-m", "tests.kit.keeper", backend, str(session.folder)],
            cwd=PROJECT, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    _keepers.append(keeper)
    record = ProcessRecord(name=backend, pid=keeper.pid, started=start_time(keeper.pid) or 0)
    write_records(session.folder / f"{backend}.keeper.json", [record])
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while not file.exists():
        if keeper.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{backend} did not start: {' / '.join(last_lines(log_file, 3))}")
        time.sleep(0.05)


def end(session: Session) -> None:
    """Stops the session's backends and deletes its folder; returns when no process is left."""
    template = session.folder / "template.json"
    if template.exists() and (external := os.environ.get(DATABASE_VARIABLE)):
        asyncio.run(_drop(Database(**json.loads(template.read_text())), external))
    keepers = [record for backend in VARIABLES for record in read_records(session.folder / f"{backend}.keeper.json")]
    for keeper in keepers:
        os.kill(keeper.pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
    while any(start_time(keeper.pid) == keeper.started for keeper in keepers):
        if time.monotonic() > deadline:
            raise RuntimeError(f"the session's backends did not stop: {session.folder} has their logs")
        time.sleep(0.05)
    session.remove()


def _remove_leftovers() -> None:
    """Of sessions that were killed together with their keepers."""
    for folder in TEST_STATE.glob("*-*"):
        if not Session.of_folder(folder).alive:
            remove_data(folder / "postgresql")
            Session.of_folder(folder).remove()


async def template(session: Session, owner_url: str) -> Database:
    """A database with the tables of every service, created once per session, to be copied."""
    file = session.folder / "template.json"
    with session.lock("template"):
        if not file.exists():
            created = await _create_template(owner_url)
            file.write_text(json.dumps(asdict(created)))
    return Database(**json.loads(file.read_text()))


async def _create_template(owner_url: str) -> Database:
    name = f"test_template_{secrets.token_hex(4)}"
    await _execute(owner_url, f"CREATE DATABASE {name}")
    created = await provision(_with_database(owner_url, name), generate_passwords())
    for service, url in created.service_urls.items():
        engine = open_engine(url, name="template")
        await migrate(service, engine)
        await engine.dispose()
        # A copy has the schemas, tables and privileges of the template, but not its settings of roles.
        await _execute(owner_url, f"ALTER ROLE {role_name(name, service=service)} SET search_path = {service}")
    await _execute(owner_url, f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false")
    return created


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
    """A prefix no other test uses; topics with this prefix are deleted afterwards."""
    prefix = f"test-{secrets.token_hex(6)}."
    yield prefix
    await delete_topics(kafka, prefix=prefix)


async def _drop(database: Database, owner_url: str) -> None:
    await _execute(owner_url, f"DROP DATABASE {database.name} WITH (FORCE)")
    for service in SERVICES:
        await _execute(owner_url, f"DROP ROLE {role_name(database.name, service=service)}")


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def _with_database(url: str, name: str) -> str:
    return make_url(url).set(database=name).render_as_string(hide_password=False)
