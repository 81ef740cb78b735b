"""`python -m tools.replay FOLDER`, run by `make replay`: past orders and answers through the loop, then the audit."""

import asyncio
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import httpx
import typer
from rich.console import Console

from deploy.local.errors import StackError
from deploy.local.programs import PROJECT
from shared.terminal import fail, silence_kafka
from tools.audit.audit import CannotAudit
from tools.audit.report import Report
from tools.audit.table import print_report
from tools.replay.files import InvalidDataSet
from tools.replay.outcome import Outcome
from tools.replay.progress import ProgressDisplay
from tools.replay.run import Replay
from tools.replay.table import print_outcome
from tools.replay.waiting import Stuck
from tools.simulation.shop import BackendUnreachable
from tools.simulation.visitor import NotAcknowledged

DIFFERENCES, ABORTED, INTERRUPTED = 1, 2, 130
STATE = PROJECT / ".hearback" / "replay"

console = Console()
silence_kafka()


def main(
    data: Annotated[Path, typer.Argument(help="Folder with Olist's public CSV files.")],
    step_hours: Annotated[
        float,
        typer.Option(help="Hours the clock advances per step; everything within a step happens at its end.", min=1),
    ] = 24,
    fresh: Annotated[bool, typer.Option(help="Start over instead of resuming an interrupted replay.")] = False,
    state: Annotated[Path, typer.Option(help="Folder for data and logs.", show_default=".hearback/replay")] = STATE,
) -> None:
    """Publish every order's events, send the surveys, answer them as recorded, audit, and print the NPS by segment.

    An interrupted replay resumes where it stopped. Exit code 0: no differences; 1: differences; 2: the replay could
    not be completed.
    """
    began = time.monotonic()
    try:
        replay = Replay(data, step=timedelta(hours=step_hours), state=state.resolve(), fresh=fresh)
        with ProgressDisplay(console, replay) as progress:
            report, outcome = asyncio.run(replay.run(progress))
    except KeyboardInterrupt:
        console.print("Interrupted; everything is stopped. Run the same command to resume.")
        raise typer.Exit(INTERRUPTED) from None
    except (
        InvalidDataSet,
        StackError,
        Stuck,
        NotAcknowledged,
        BackendUnreachable,
        CannotAudit,
        httpx.HTTPError,
        OSError,
    ) as error:
        fail(str(error) or type(error).__name__, exit_code=ABORTED)
    print_result(report, outcome, replay.data_set.left_out, time.monotonic() - began)
    if report.inconclusive:
        raise typer.Exit(ABORTED)
    if not report.clean or outcome.differences:
        raise typer.Exit(DIFFERENCES)


def print_result(report: Report, outcome: Outcome, left_out: Counter[str], seconds: float) -> None:
    print_report(report, console)
    console.print()
    print_outcome(outcome, console)
    console.print()
    not_surveyed = sum(outcome.not_surveyed.values())
    reasons = "; ".join(f"{count:,}: {reason}" for reason, count in outcome.not_surveyed.items())
    console.print(
        f"{outcome.surveyed:,} orders were surveyed, without a quiet period, as that shop surveyed every order.",
        soft_wrap=True,
    )
    console.print(f"{not_surveyed:,} recorded answers had no survey ({reasons}).", highlight=False, soft_wrap=True)
    for reason, count in left_out.most_common():
        console.print(f"Left out of the files: {count:,} {reason}.", highlight=False, soft_wrap=True)
    for check in outcome.checks:
        console.print(
            f"Compared with the files, {check.name}: {check.compared:,} compared, {check.differences} differences.",
            soft_wrap=True,
        )
        for example in check.examples:
            console.print(f"  {example}", style="red", highlight=False, markup=False, soft_wrap=True)
    differences = report.differences + outcome.differences
    verdict = "zero differences" if differences == 0 and report.clean else f"{differences:,} differences"
    console.print(f"Replayed in {seconds:.0f} s: {verdict}.", highlight=False)


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
app.command(epilog="Example: make replay DATA=../olist")(main)

if __name__ == "__main__":
    app()
