"""A fresh corner for a run that must begin with nothing, also on a cluster and a server that others use."""

import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from deploy.local.backends import External
from deploy.local.provision import temporary_database
from deploy.local.topics import delete_topics


@dataclass(frozen=True, slots=True)
class Corner:
    """Where a run may write: ``external`` names what is not the run's own, with a database of the run's alone."""

    external: External
    topic_prefix: str


@asynccontextmanager
async def fresh_corner(external: External) -> AsyncIterator[Corner]:
    """Nothing to make where the stack brings its own Kafka and PostgreSQL; else a database and topics for this run.

    What was made is removed afterwards.
    """
    async with AsyncExitStack() as stack:
        database_url = external.database_url
        if database_url is not None:
            database_url = (await stack.enter_async_context(temporary_database(database_url))).owner_url
        prefix = ""
        if external.kafka_bootstrap_servers is not None:
            prefix = f"run-{secrets.token_hex(4)}."
            stack.push_async_callback(delete_topics, external.kafka_bootstrap_servers, prefix)
        yield Corner(External(external.kafka_bootstrap_servers, database_url), prefix)
