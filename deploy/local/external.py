"""An existing Kafka or PostgreSQL, named in the environment, to use instead of starting one."""

import os
from dataclasses import dataclass

from deploy.local.ports import HOST, StackPorts
from deploy.local.status import status_of_local_stack

KAFKA_VARIABLE = "HEARBACK_KAFKA_BOOTSTRAP_SERVERS"
DATABASE_VARIABLE = "HEARBACK_DATABASE_URL"


@dataclass(frozen=True, slots=True, kw_only=True)
class External:
    """An existing cluster or server; None means the stack starts its own."""

    kafka_bootstrap_servers: str | None = None
    database_url: str | None = None

    @classmethod
    def from_environment(cls) -> "External":
        """What the environment names, except the local stack's own backends.

        A shell that sourced the local stack's `env` names those, but a demo, a replay or a test must not use them.
        Raises StackError for an invalid HEARBACK_PORT_BASE.
        """
        named = cls(
            kafka_bootstrap_servers=os.environ.get(KAFKA_VARIABLE) or None,
            database_url=os.environ.get(DATABASE_VARIABLE) or None,
        )
        if (status := status_of_local_stack()) and status.alive:
            named = named.other_than(status.ports)
        return named.other_than(StackPorts.from_environment())

    def other_than(self, own: StackPorts) -> "External":
        """Without backends on the ports of a stack's own."""
        kafka = None if self.kafka_bootstrap_servers == f"{HOST}:{own.kafka}" else self.kafka_bootstrap_servers
        database = None if f"@{HOST}:{own.postgresql}/" in (self.database_url or "") else self.database_url
        return External(kafka_bootstrap_servers=kafka, database_url=database)
