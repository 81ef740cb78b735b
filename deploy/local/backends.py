"""Kafka and PostgreSQL for a stack: its own, or existing ones."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
from aiokafka.errors import KafkaError

from deploy.local.external import External
from deploy.local.jars import fetch_jars, read_lock
from deploy.local.kafka import KafkaNode
from deploy.local.ports import StackPorts
from deploy.local.postgres import PostgresServer
from deploy.local.supervisor import Supervisor

CONNECTION_ERRORS = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    # Raised by the driver when the server is killed in the middle of a response.
    asyncpg.InternalClientError,
    KafkaError,
    OSError,
    TimeoutError,
)
"""Errors raised when a connection to Kafka or PostgreSQL is lost."""

T = TypeVar("T")

Report = Callable[[str, str], None]
"""A progress callback, called with a part of the stack and its current status."""


def unreported(_part: str, _status: str) -> None:
    """The default for callers that do not show progress."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backends:
    """The addresses of Kafka and PostgreSQL; `database_url` is the owner's."""

    kafka_bootstrap_servers: str
    database_url: str


async def start_backends(
    supervisor: Supervisor,
    folder: Path,
    ports: StackPorts,
    password: str,
    external: External,
    report: Report,
    proxied: Mapping[int, int],
) -> Backends:
    """Starts what `external` does not name, with data and logs under `folder`, and returns when both are ready.

    `password` is the database owner's, the same on every start; `proxied` is Kafka's. Raises StackError.
    """
    kafka = KafkaNode(
        folder=folder / "kafka", port=ports.kafka, controller_port=ports.kafka_controller, proxied=proxied
    )
    postgres = PostgresServer(folder / "postgresql", ports.postgresql, password)

    async def start_kafka() -> str:
        if external.kafka_bootstrap_servers:
            report("kafka", f"using {external.kafka_bootstrap_servers}")
            return external.kafka_bootstrap_servers
        jars = await fetch_jars(
            read_lock(),
            progress=lambda done, wanted: report(
                "kafka", f"verifying jars, fetching those that are missing: {done} of {wanted}"
            ),
        )
        report("kafka", "starting")
        await kafka.prepare(jars)
        await supervisor.start(kafka.program(jars, folder / "logs" / "kafka.log"))
        report("kafka", "ready")
        return kafka.bootstrap_servers

    async def start_postgres() -> str:
        if external.database_url:
            report("postgresql", "using the server of HEARBACK_DATABASE_URL")
            return external.database_url
        report("postgresql", "starting")
        await postgres.prepare()
        await supervisor.start(postgres.program(folder / "logs" / "postgresql.log"))
        report("postgresql", "ready")
        return postgres.owner_url

    kafka_bootstrap_servers, database_url = await all_or_none(start_kafka(), start_postgres())
    return Backends(kafka_bootstrap_servers=kafka_bootstrap_servers, database_url=database_url)


async def all_or_none(*steps: Coroutine[Any, Any, T]) -> list[T]:
    """Runs the steps concurrently; when one fails, cancels the others and raises its error."""
    tasks = [asyncio.create_task(step) for step in steps]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
