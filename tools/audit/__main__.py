"""`python -m tools.audit`, run by `make audit`: recomputes everything and compares it with what is served."""

import asyncio
from typing import Annotated

import typer
from rich.console import Console

from shared.terminal import fail, silence_kafka
from tools.audit.audit import CannotAudit, Installation, audit
from tools.audit.report import Report
from tools.audit.table import print_report
from tools.environment import installation_environment

DIFFERENCES, INCONCLUSIVE = 1, 2

console = Console()
silence_kafka()


def main(
    wait: Annotated[float, typer.Option(help="Maximum seconds to wait until the loop is idle.", min=1)] = 60,
) -> None:
    """Recompute timers, sends, answers, scores and cases from the ledgers, and compare them with what is served.

    Addresses and credentials come from the environment, or else from .hearback/env, which `make up` writes. Exit code
    0: no differences; 1: differences; 2: inconclusive, because something is unreachable or the loop was not idle.
    """
    try:
        installation = Installation.from_environment(installation_environment())
        report = asyncio.run(_with_status(installation, wait))
    except CannotAudit as error:
        fail(str(error), exit_code=INCONCLUSIVE)
    print_report(report, console)
    if not report.clean:
        raise typer.Exit(INCONCLUSIVE if report.inconclusive else DIFFERENCES)


async def _with_status(installation: Installation, wait: float) -> Report:
    if not console.is_terminal:
        return await audit(installation, within=wait)
    with console.status("Auditing") as status:
        return await audit(installation, within=wait, progress=lambda step: status.update(f"Auditing: {step}"))


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
app.command(epilog="Example: make up && make audit")(main)

if __name__ == "__main__":
    app()
