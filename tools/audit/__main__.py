"""`python -m tools.audit`: recompute everything from the ledgers, compare it with what is served. `make audit`."""

import asyncio
import logging
import os
import shlex
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from tools.audit import CannotAudit, Installation, Report, audit
from tools.audit.table import show

DIFFERENCES, NO_VERDICT = 1, 2
ENV_FILE = Path(__file__).parents[2] / ".hearback" / "env"

console = Console()
# Its warnings tell of brokers that come back; one that does not is told of in a sentence of ours.
logging.getLogger("aiokafka").addHandler(logging.NullHandler())


def main(
    wait: Annotated[float, typer.Option(help="Seconds the loop may take to come to rest.", min=1)] = 60,
) -> None:
    """Recompute timers, sends, answers, scores and cases from the ledgers, and compare them with what is served.

    Where to look is taken from the environment, or else from .hearback/env, which `make up` writes. Exit code 0: zero
    differences; 1: differences; 2: no verdict, because something cannot be reached or did not come to rest.
    """
    try:
        installation = Installation.from_environment({**_env_file(), **os.environ})
        report = asyncio.run(_with_status(installation, wait))
    except CannotAudit as error:
        _fail(str(error))
    show(report, console)
    if not report.clean:
        raise typer.Exit(NO_VERDICT if report.unrest else DIFFERENCES)


async def _with_status(installation: Installation, wait: float) -> Report:
    if not console.is_terminal:
        return await audit(installation, within=wait)
    with console.status("Auditing") as status:
        return await audit(installation, within=wait, progress=lambda doing: status.update(f"Auditing: {doing}"))


def _env_file() -> dict[str, str]:
    """The variables `.hearback/env` exports; none when nothing is up."""
    if not ENV_FILE.exists():
        return {}
    exports = (line.removeprefix("export ").partition("=") for line in ENV_FILE.read_text().splitlines())
    return {name: shlex.split(value)[0] for name, _, value in exports if value}


def _fail(sentence: str) -> NoReturn:
    Console(stderr=True).print(sentence, highlight=False, markup=False, soft_wrap=True)
    raise typer.Exit(NO_VERDICT)


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
app.command(epilog="Example: make up && make audit")(main)

if __name__ == "__main__":
    app()
