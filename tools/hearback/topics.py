"""`hearback topics`: the topics on the cluster, compared with those of the catalogue, and made like them."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Annotated

import typer
from aiokafka.admin import AIOKafkaAdminClient
from rich.console import Console

from shared.topic_settings import TopicSettings
from tools.hearback import topic_differences
from tools.hearback.commands import Commands
from tools.hearback.database import NOT_DONE, kafka_as
from tools.hearback.database import run as run_command
from tools.hearback.output import list_of, print_list
from tools.hearback.topic_differences import Comparison

app = typer.Typer(cls=Commands, no_args_is_help=True, help="The topics, compared with what they should be.")
console = Console(soft_wrap=True)

_SEEN_SECONDS = 15.0

AsJson = Annotated[bool, typer.Option("--json", help="For machines: a list of objects.")]


@app.command()
def diff(as_json: AsJson = False) -> None:
    """Show what topics lack, or have set otherwise. Exit code 0: nothing; 1: something; 2: Kafka cannot be asked.

    More partitions or replicas than wanted are no difference. How many replicas are wanted follows from the number of
    brokers, or from HEARBACK_TOPIC_REPLICATION and HEARBACK_TOPIC_MIN_INSYNC_REPLICAS.
    """

    async def run(admin: AIOKafkaAdminClient, settings: TopicSettings) -> Comparison:
        return await topic_differences.compare(admin, settings)

    _print(_with_kafka(run), as_json=as_json)


@app.command()
def apply(as_json: AsJson = False) -> None:
    """Create what is missing, add partitions and change settings; show what is left. Exit codes as of `diff`.

    Records stay where they are. After partitions were added, keys go elsewhere than before; no process minds.
    """

    async def run(admin: AIOKafkaAdminClient, settings: TopicSettings) -> Comparison:
        await topic_differences.apply(admin, await topic_differences.compare(admin, settings))
        deadline = time.monotonic() + _SEEN_SECONDS
        # A broker that was asked does not know yet what the controller has done.
        while not (left := await topic_differences.compare(admin, settings)).seems_applied:
            if time.monotonic() > deadline:
                break
            await asyncio.sleep(0.2)
        return left

    _print(_with_kafka(run), as_json=as_json)


def _with_kafka(command: Callable[[AIOKafkaAdminClient, TopicSettings], Awaitable[Comparison]]) -> Comparison:
    async def opened() -> Comparison:
        settings = kafka_as(TopicSettings)
        admin = AIOKafkaAdminClient(**settings.connection(), client_id="hearback-topics")
        await admin.start()
        try:
            return await command(admin, settings)
        finally:
            await admin.close()

    return run_command(opened)


def _print(comparison: Comparison, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps([each.as_json() for each in comparison.differences], indent=2))
    elif comparison.differences:
        table = list_of("topic", "what", "found", "wanted", "remedy")
        for each in comparison.differences:
            table.add_row(each.topic, each.what, each.found, each.wanted, each.remedy or "hearback topics apply")
        print_list(console, table)
    else:
        console.print(f"All {len(comparison.wanted)} topics are as they should be.")
    if comparison.differences:
        raise typer.Exit(NOT_DONE)
