"""`python -m deploy.local`: commands for the local stack; `make up` and `make down` run them."""

import asyncio
import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from deploy.local import commands
from deploy.local.addresses import sign_in_link
from deploy.local.environment import not_used
from deploy.local.errors import StackError
from deploy.local.ports import HOST, StackPorts
from deploy.local.programs import PROJECT
from deploy.local.progress import Display
from deploy.local.replicas import every_name, replica_ports, replicas_from_environment
from deploy.local.secrets_file import load_or_create
from deploy.local.status import DEFAULT_STATE, read_status
from shared.terminal import fail
from shared.unknown_settings import unknown_settings

NOT_RUNNING = 3
INTERRUPTED = 130

app = typer.Typer(
    help="A real Kafka, a real PostgreSQL, Hearback's five processes and a mailbox, on this machine.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
console = Console()

State = Annotated[
    Path,
    typer.Option(envvar="HEARBACK_STATE", help="Folder for data, logs and passwords.", show_default=".hearback"),
]


@app.command(epilog="Example: HEARBACK_PORT_BASE=18000 python -m deploy.local up")
def up(state: State = DEFAULT_STATE) -> None:
    """Start everything in the background; returns when every part is ready."""
    began = time.monotonic()
    state = state.resolve()
    try:
        # An error is reported here, not in the supervisor's log.
        replicas = replicas_from_environment()
        replica_ports(StackPorts.from_environment(), replicas)
        with commands.brought_up(state, Display(console)) as how:
            show_addresses(state)
            seconds = time.monotonic() - began
            said = {
                "started": f"Up in {seconds:.1f} s.",
                "came back": f"Some processes had died; all are up again after {seconds:.1f} s.",
                "was up": "Already up; nothing to do. It runs the code and the settings it was started with.",
            }
            console.print(f"{said[how]} `make down` stops it.", highlight=False, soft_wrap=True)
            for note in notes(state, replicas):
                say(note)
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # too late to undo what was just reported
    except StackError as error:
        fail(str(error), exit_code=1)
    except KeyboardInterrupt:
        console.print("Interrupted; everything is stopped.")
        raise typer.Exit(INTERRUPTED) from None


@app.command(epilog="Example: python -m deploy.local down")
def down(state: State = DEFAULT_STATE) -> None:
    """Stop everything; data and logs are kept."""
    try:
        with console.status("Stopping"):
            stopped = commands.take_down(state.resolve())
    except StackError as error:
        fail(str(error), exit_code=1)
    console.print("Stopped; no process is left." if stopped else "Nothing was running.")


@app.command(epilog="Example: python -m deploy.local status || echo 'not all ready'")
def status(state: State = DEFAULT_STATE) -> None:
    """Show every process, and why it is not ready. Exit code 0: all are ready; 1: some are not; 3: nothing runs."""
    state = state.resolve()
    parts = asyncio.run(commands.inspect(state))
    if not parts:
        say(commands.why_nothing_runs(state))
        raise typer.Exit(NOT_RUNNING)
    table = Table("process", "pid", "MB", "restarts", "ready", box=None)
    for part in parts:
        table.add_row(
            part.name,
            str(part.pid or "–"),
            str(part.memory or "–"),
            str(part.restarts),
            Text("yes" if part.ready else f"no: {part.reason}"),
        )
    # At a terminal as wide as it is; in a pipe, a line per process.
    console.print(table, soft_wrap=not console.is_terminal)
    raise typer.Exit(0 if all(part.ready for part in parts) else 1)


@app.command(epilog="Example: python -m deploy.local clean")
def clean(state: State = DEFAULT_STATE) -> None:
    """Stop everything and delete its data, logs and passwords."""
    try:
        commands.remove_state(state.resolve())
    except StackError as error:
        fail(str(error), exit_code=1)
    console.print(f"Removed {state}.", highlight=False)


@app.command("lock-jars", epilog="Example: python -m deploy.local lock-jars")
def lock_jars() -> None:
    """Resolve Kafka's jars and pin them, with their checksums, in deploy/local/kafka.lock."""
    from deploy.local import jars  # slow to import, and not needed by `down` and `status`

    try:
        with console.status(f"Resolving {jars.KAFKA}"):
            locked = jars.write_lock()
    except StackError as error:
        fail(str(error), exit_code=1)
    console.print(f"{len(locked)} jars pinned in {jars.LOCK_FILE.relative_to(PROJECT)}.", highlight=False)


@app.command("class-cache", hidden=True)
def keep_classes() -> None:
    """Make Kafka start faster from now on; the supervisor has it done in the background, once."""
    from deploy.local.jars import fetch_jars, read_lock
    from deploy.local.training import make_class_cache  # slow to import, and needed once

    async def make() -> None:
        await make_class_cache(await fetch_jars(read_lock()))

    os.nice(19)
    try:
        asyncio.run(make())
    except StackError as error:
        fail(str(error), exit_code=1)


def show_addresses(state: Path) -> None:
    running = read_status(state)
    if running is None:  # stopped by another command just now
        return
    ports = running.ports
    api_key = load_or_create(state / "secrets.json").api_key
    addresses = {
        "dashboard": sign_in_link(ports.scorer, api_key),
        "support inbox": sign_in_link(ports.alerter, api_key),
        "mailbox": f"http://{HOST}:{ports.mailbox}/",
        "collector API": f"http://{HOST}:{ports.collector}/openapi.json",
        "dispatcher API": f"http://{HOST}:{ports.dispatcher}/openapi.json",
        "for a client": f"source {state / 'env'}",
        "logs": str(state / "logs"),
    }
    for what, where in addresses.items():
        say(f"{what:<16}{where}")
    say(
        "The links to the dashboard and the inbox have the API key in them. Without it, the sign-in page asks for one: "
        f"it is the value of HEARBACK_API_KEY in {state / 'env'}."
    )


def say(sentence: str) -> None:
    """Prints a whole line, however narrow the terminal is: a link that is cut in two cannot be opened."""
    console.print(sentence, highlight=False, markup=False, soft_wrap=True)


def notes(state: Path, replicas: Mapping[str, int]) -> list[str]:
    """What whoever runs `up` may have expected otherwise."""
    found = [commands.other_replicas(state, every_name(replicas))]
    if unused := not_used():
        found.append(f"Not used: {', '.join(unused)}. HEARBACK_PORT_BASE moves all ports; all are on {HOST}.")
    return [note for note in (*found, *unknown_settings(os.environ)) if note]


if __name__ == "__main__":
    app()
