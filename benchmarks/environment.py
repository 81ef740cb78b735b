"""Kafka and PostgreSQL for benchmarks, with a database and topics that are removed afterwards."""

import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from pydantic import SecretStr

from deploy.local.backends import Backends, start_backends, unreported
from deploy.local.external import External
from deploy.local.ports import StackPorts
from deploy.local.programs import PROJECT
from deploy.local.provision import Database, temporary_database
from deploy.local.stack import Stack
from deploy.local.state_lock import StateLock
from deploy.local.supervisor import Supervisor, end_leftovers
from deploy.local.topics import delete_topics
from shared.processes import PROCESSES
from shared.settings import ServiceSettings

STATE = PROJECT / ".hearback" / "bench"


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """``pids`` has the process of each backend that is our own."""

    kafka_bootstrap_servers: str
    database: Database
    topic_prefix: str
    pids: Mapping[str, int] = field(default_factory=dict)

    def topic(self, name: str) -> str:
        return self.topic_prefix + name

    def settings(self) -> ServiceSettings:
        """Settings for shared code to connect to this Kafka; not sufficient for a service."""
        return ServiceSettings(
            kafka_bootstrap_servers=self.kafka_bootstrap_servers,
            topic_prefix=self.topic_prefix,
            secret=SecretStr(secrets.token_hex(32)),
        )

    def stack(self, *processes: str, **settings: str) -> Stack:
        """A stack of these processes, by default all, on these backends; not yet started."""
        return Stack(
            state=STATE / "services",
            ports=StackPorts.free(),
            processes=processes or PROCESSES,
            topic_prefix=self.topic_prefix,
            environment=settings,
            external=External(
                kafka_bootstrap_servers=self.kafka_bootstrap_servers, database_url=self.database.owner_url
            ),
        )


class BackendsForBenchmarks:
    """The backends named in the environment, or new ones, started when first needed and stopped at the end."""

    def __init__(self) -> None:
        self._lock = StateLock(STATE)
        self._supervisor = Supervisor(STATE / "processes.json")
        self._backends: Backends | None = None

    @asynccontextmanager
    async def environment(self) -> AsyncIterator[Environment]:
        """Always with a new database and new topics."""
        if self._backends is None:
            self._lock.take()
            end_leftovers(STATE / "processes.json")
            self._backends = await start_backends(
                self._supervisor, STATE, StackPorts.free(), "benchmark", External.from_environment(), unreported, {}
            )
        prefix = f"bench-{secrets.token_hex(4)}."
        servers = self._backends.kafka_bootstrap_servers
        async with temporary_database(self._backends.database_url) as database:
            try:
                yield Environment(
                    kafka_bootstrap_servers=servers,
                    database=database,
                    topic_prefix=prefix,
                    pids={name: record.pid for name, record in self._supervisor.processes.items()},
                )
            finally:
                await delete_topics(servers, prefix=prefix)

    async def stop(self) -> None:
        """What was started; the next ``environment`` starts new ones."""
        self._backends = None
        await self._supervisor.stop_all()
        self._lock.release()
