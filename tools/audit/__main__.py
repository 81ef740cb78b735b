"""`python -m tools.audit`, run by `make audit`: recomputes everything and compares it with what is served."""

import asyncio
import os
import shlex
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from deploy.local.terminal import fail, silence_kafka
from tools.audit.audit import CannotAudit, Installation, audit
from tools.audit.report import Report
from tools.audit.table import print_report

DIFFERENCES, INCONCLUSIVE = 1, 2
ENV_FILE = Path(__file__).parents[2] / ".hearback" / "env"

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
        installation = Installation.from_environment({**_env_file(), **os.environ})
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


def _env_file() -> dict[str, str]:
    """The variables exported by `.hearback/env`; empty when no stack is up."""
    if not ENV_FILE.exists():
        return {}
    exports = (line.removeprefix("export ").partition("=") for line in ENV_FILE.read_text().splitlines())
    return {name: shlex.split(value)[0] for name, _, value in exports if value}


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
app.command(epilog="Example: make up && make audit")(main)

if __name__ == "__main__":
    app()
