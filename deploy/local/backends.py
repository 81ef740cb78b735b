"""Kafka and PostgreSQL for a stack: its own, or existing ones."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from deploy.local.external import External
from deploy.local.jars import fetch_jars, read_lock
from deploy.local.kafka import KafkaNode
from deploy.local.ports import StackPorts
from deploy.local.postgres import PostgresServer
from deploy.local.supervisor import Supervisor

T = TypeVar("T")

Report = Callable[[str, str], None]
"""A progress callback, called with a part of the stack and its current status."""


def unreported(_part: str, _status: str) -> None:
    """The default for callers that do not show progress."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backends:
    """The addresses of Kafka and PostgreSQL; `database_url` is the owner's. `jars` are Kafka's, if it is our own."""

    kafka_bootstrap_servers: str
    database_url: str
    jars: Sequence[Path] = ()


async def start_backends(
    supervisor: Supervisor,
    folder: Path,
    ports: StackPorts,
    password: str,
    external: External,
    report: Report,
    proxied: Mapping[int, int],
    with_database: Callable[[Backends], Awaitable[None]] | None = None,
) -> Backends:
    """Starts what `external` does not name, with data and logs under `folder`, and returns when both are ready.

    `password` is the database owner's, the same on every start; `proxied` is Kafka's. `with_database` is called when
    PostgreSQL is ready, and done meanwhile: Kafka takes longer. Raises StackError.
    """
    kafka = KafkaNode(
        folder=folder / "kafka", port=ports.kafka, controller_port=ports.kafka_controller, proxied=proxied
    )
    postgres = PostgresServer(folder / "postgresql", ports.postgresql, password)

    async def start_kafka() -> Sequence[Path]:
        if external.kafka_bootstrap_servers:
            report("kafka", f"using {external.kafka_bootstrap_servers}")
            return ()
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
        return jars

    found = Backends(
        kafka_bootstrap_servers=external.kafka_bootstrap_servers or kafka.bootstrap_servers,
        database_url=external.database_url or postgres.owner_url,
    )

    async def start_postgres() -> Sequence[Path]:
        if external.database_url:
            report("postgresql", "using the server of HEARBACK_DATABASE_URL")
        else:
            report("postgresql", "starting")
            await postgres.prepare()
            await supervisor.start(postgres.program(folder / "logs" / "postgresql.log"))
            report("postgresql", "ready")
        if with_database is not None:
            await with_database(found)
        return ()

    jars, _ = await all_or_none(start_kafka(), start_postgres())
    return replace(found, jars=jars)


async def all_or_none(*steps: Coroutine[Any, Any, T]) -> list[T]:
    """Runs the steps concurrently; when one fails, cancels the others and raises its error."""
    tasks = [asyncio.create_task(step) for step in steps]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
