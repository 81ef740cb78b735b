"""`python -m tests.faults.soak`, run by `make faults`: the soak, with a line per fault, and a verdict."""

import asyncio
import os
import secrets
import signal
import sys
import traceback
from typing import Annotated

import typer
from rich.console import Console

from deploy.local.commands import remove_state
from deploy.local.programs import PROJECT
from shared.terminal import silence_kafka
from tests.faults.soak.run import Soak, Verdict
from tools.audit.table import print_report

STATE = PROJECT / ".hearback" / "faults"
FAILED, ABORTED, INTERRUPTED = 1, 2, 130
SHOWN = 10
"""Differences of each check; the journal has what is needed to find the others."""

console = Console()
silence_kafka()


def say(line: str) -> None:
    console.print(line, highlight=False, markup=False, soft_wrap=True)


def main(
    seconds: Annotated[float, typer.Option(envvar="FAULT_SECONDS", help="How long faults happen.", min=10)] = 1_200,
    seed: Annotated[int | None, typer.Option(envvar="SEED", help="Default: another one each time.")] = None,
) -> None:
    """Run the whole product under faults at random, then compare everything with what the driver did.

    Exit code 0: nothing lost, nothing twice, nothing stale; 1: differences; 2: something ended it before.
    """
    # Kafka starts again and again: compiling its code thoroughly takes longer than it saves.
    os.environ.setdefault("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1")
    chosen = secrets.randbelow(1_000_000) if seed is None else seed
    try:
        verdict = asyncio.run(_interruptible(Soak(STATE, chosen, seconds, say)))
    except (KeyboardInterrupt, asyncio.CancelledError):
        say("Interrupted; everything is stopped.")
        raise typer.Exit(INTERRUPTED) from None
    except Exception as error:
        traceback.print_exception(error)
        say(f"Aborted with seed {chosen}; everything is stopped. The journal and the logs are in {STATE}.")
        raise typer.Exit(ABORTED) from error
    tell(verdict)
    if not verdict.clean:
        say(f"The journal and the logs are in {STATE}.")
        raise typer.Exit(FAILED)
    remove_state(STATE)


async def _interruptible(soak: Soak) -> Verdict:
    """SIGTERM and SIGHUP (a closed terminal) end it as Ctrl-C does."""
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    return await soak.run()


def tell(verdict: Verdict) -> None:
    if not verdict.audit.clean:
        print_report(verdict.audit, console)
    faults = ", ".join(f"{count} {name}" for name, count in sorted(verdict.faults.items()))
    counts = ", ".join(f"{count} {kind}" for kind, count in sorted(verdict.counts.items()))
    say(f"Seed {verdict.seed}, {verdict.seconds:.0f} s; drained {verdict.drained_after:.0f} s after healing.")
    say(f"Faults: {faults}.")
    say(f"Journal: {counts}.")
    say(f"Audit: {verdict.audit.summary()}")
    for name, comparison in verdict.comparisons.items():
        found = len(comparison.differences)
        say(f"  {'ok' if not found else 'NO'}  {name}: {comparison.compared:,} compared, {found:,} differences")
        for difference in comparison.differences[:SHOWN]:
            say(f"        {difference}")
    say("Nothing lost, nothing twice, nothing stale." if verdict.clean else "It does not add up.")


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
app.command(epilog="Example: SEED=7 FAULT_SECONDS=120 make faults")(main)

if __name__ == "__main__":
    sys.exit(app())
