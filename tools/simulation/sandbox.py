"""A sandbox for a run that must start empty, even on a shared Kafka cluster and PostgreSQL server."""

import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from deploy.local.external import External
from deploy.local.provision import temporary_database
from deploy.local.topics import delete_topics


@dataclass(frozen=True, slots=True)
class Sandbox:
    """Where a run may write: ``external`` names the backends it did not start, with a database of its own."""

    external: External
    topic_prefix: str


@asynccontextmanager
async def fresh_sandbox(external: External) -> AsyncIterator[Sandbox]:
    """A no-op where the stack starts its own backends; otherwise a database and a topic prefix for this run.

    Both are removed afterwards.
    """
    async with AsyncExitStack() as stack:
        database_url = external.database_url
        if database_url is not None:
            database_url = (await stack.enter_async_context(temporary_database(database_url))).owner_url
        prefix = ""
        if external.kafka_bootstrap_servers is not None:
            prefix = f"run-{secrets.token_hex(4)}."
            stack.push_async_callback(delete_topics, external.kafka_bootstrap_servers, prefix=prefix)
        yield Sandbox(
            External(kafka_bootstrap_servers=external.kafka_bootstrap_servers, database_url=database_url), prefix
        )
