"""A running stack: the whole product."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from deploy.local.backends import Backends
from deploy.local.external import External
from deploy.local.install_folder import remove_data
from deploy.local.ports import StackPorts
from deploy.local.stack import Stack
from tools.simulation.sandbox import fresh_sandbox

AT_ONCE = """
id: at-once
subject_of_question: service
trigger:
  after: order.placed
"""
"""A campaign whose survey is due as soon as an order is placed."""


def at_once(folder: Path) -> Path:
    """Creates a folder of campaigns in ``folder``, with ``AT_ONCE`` as its only one."""
    campaigns = folder / "campaigns"
    campaigns.mkdir()
    (campaigns / "at-once.yaml").write_text(AT_ONCE)
    return campaigns


@asynccontextmanager
async def running_stack(folder: Path, on: Backends | External | None, **options: Any) -> AsyncIterator[Stack]:
    """A stack with its files under ``folder``; ``options`` are passed to `Stack`.

    It gets a database and topics of its own ``on`` these backends, deleted afterwards; with None, its own backends.
    """
    external = (
        External(kafka_bootstrap_servers=on.kafka_bootstrap_servers, database_url=on.database_url) if on else External()
    )
    async with fresh_sandbox(external) as sandbox:
        stack = Stack(
            state=folder / "state",
            ports=StackPorts.free(),
            topic_prefix=sandbox.topic_prefix,
            external=sandbox.external,
            **options,
        )
        try:
            async with stack:
                yield stack
        finally:
            remove_data(stack.state / "postgresql")
