"""The whole product, running."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from deploy.local.backends import Backends, External
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
"""A campaign that asks as soon as an order is placed."""


def at_once(folder: Path) -> Path:
    """A folder of campaigns, within this one, with ``AT_ONCE`` in it."""
    campaigns = folder / "campaigns"
    campaigns.mkdir()
    (campaigns / "at-once.yaml").write_text(AT_ONCE)
    return campaigns


@asynccontextmanager
async def running_stack(folder: Path, on: Backends | External | None, **options: Any) -> AsyncIterator[Stack]:
    """A stack that keeps everything under ``folder``; ``options`` are `Stack`'s.

    ``on`` is where it gets a database and topics of its own, gone afterwards; None: it starts its own backends.
    """
    external = External(on.kafka_bootstrap_servers, on.database_url) if on else External()
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
