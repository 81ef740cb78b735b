"""`python -m tools.replay FOLDER`: past orders and answers through the running loop, then the audit. `make replay`."""

import asyncio
import logging
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Annotated, NoReturn

import httpx
import typer
from rich.console import Console

from deploy.local.errors import StackError
from deploy.local.programs import PROJECT
from tools.audit import CannotAudit, Report
from tools.audit.table import show as show_audit
from tools.replay import table
from tools.replay.files import MissingData
from tools.replay.ledger import Stuck
from tools.replay.outcome import Outcome
from tools.replay.run import Replay
from tools.replay.show import Showing
from tools.simulation.shop import BackendUnreachable
from tools.simulation.visitor import NotAcknowledged

DIFFERENCES, BROKEN_OFF, INTERRUPTED = 1, 2, 130
STATE = PROJECT / ".hearback" / "replay"

console = Console()
# Its warnings tell of brokers that come back; one that does not is told of in a sentence of ours.
logging.getLogger("aiokafka").addHandler(logging.NullHandler())


def main(
    data: Annotated[Path, typer.Argument(help="Folder with Olist's public CSV files.")],
    step_hours: Annotated[
        float,
        typer.Option(help="How far the clock moves at once; what happens within a step, happens at its end.", min=1),
    ] = 24,
    fresh: Annotated[bool, typer.Option(help="Begin anew even where an earlier replay was broken off.")] = False,
    state: Annotated[Path, typer.Option(help="Folder for its data and logs.", show_default=".hearback/replay")] = STATE,
) -> None:
    """Publish the life of every order, ask and answer as happened then, audit, and print NPS by segment.

    A replay that was broken off goes on where it stopped. Exit code 0: everything adds up; 1: there are differences;
    2: it could not be finished.
    """
    began = time.monotonic()
    try:
        replay = Replay(data, timedelta(hours=step_hours), state.resolve(), fresh=fresh)
        with Showing(console, replay) as showing:
            report, outcome = asyncio.run(replay.run(showing))
    except KeyboardInterrupt:
        console.print("Interrupted: everything is stopped. The same command goes on from here.")
        raise typer.Exit(INTERRUPTED) from None
    except (
        MissingData,
        StackError,
        Stuck,
        NotAcknowledged,
        BackendUnreachable,
        CannotAudit,
        httpx.HTTPError,
        OSError,
    ) as error:
        fail(str(error) or type(error).__name__)
    tell(report, outcome, replay.past.left_out, time.monotonic() - began)
    if report.unrest:
        raise typer.Exit(BROKEN_OFF)
    if not report.clean or outcome.differences:
        raise typer.Exit(DIFFERENCES)


def tell(report: Report, outcome: Outcome, left_out: Counter[str], seconds: float) -> None:
    show_audit(report, console)
    console.print()
    table.show(outcome, console)
    console.print()
    unasked = sum(outcome.unasked.values())
    reasons = "; ".join(f"{count:,}: {reason}" for reason, count in outcome.unasked.items())
    console.print(
        f"{outcome.asked:,} orders were asked about; no quiet period, as that shop asked about every order.",
        soft_wrap=True,
    )
    console.print(f"{unasked:,} recorded answers were not asked for ({reasons}).", highlight=False, soft_wrap=True)
    for what, count in left_out.most_common():
        console.print(f"Left out of the files: {count:,} {what}.", highlight=False, soft_wrap=True)
    for check in outcome.checks:
        console.print(
            f"Against the files, {check.name}: {check.compared:,} compared, {check.differences} differences.",
            soft_wrap=True,
        )
        for example in check.examples:
            console.print(f"  {example}", style="red", highlight=False, markup=False, soft_wrap=True)
    differences = report.differences + outcome.differences
    verdict = "zero differences" if differences == 0 and report.clean else f"{differences:,} differences"
    console.print(f"Replayed in {seconds:.0f} s: {verdict}.", highlight=False)


def fail(sentence: str) -> NoReturn:
    Console(stderr=True).print(sentence, highlight=False, markup=False, soft_wrap=True)
    raise typer.Exit(BROKEN_OFF)


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
app.command(epilog="Example: make replay DATA=../olist")(main)

if __name__ == "__main__":
    app()
