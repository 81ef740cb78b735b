"""`python -m tools.demo`, run by `make demo`: the loop with a simulated shop, live, until Ctrl-C."""

import asyncio
from typing import Annotated, NoReturn

import httpx
import typer
from aiokafka.errors import KafkaError
from rich.console import Console

from deploy.local.errors import StackError
from deploy.local.programs import PROJECT
from shared.terminal import fail, silence_kafka
from tools.audit.audit import CannotAudit
from tools.audit.table import print_report
from tools.demo.run import Demo, DemoResult
from tools.simulation.shop import BackendUnreachable
from tools.simulation.visitor import NotAcknowledged

FAILED, ABORTED, INTERRUPTED = 1, 2, 130
STATE = PROJECT / ".hearback" / "demo"

console = Console()
silence_kafka()


def main(
    seconds: Annotated[
        float | None,
        typer.Option(
            envvar="DEMO_SECONDS", help="Run for this many seconds, then audit. Default: until Ctrl-C.", min=1
        ),
    ] = None,
    seed: Annotated[int, typer.Option(envvar="DEMO_SEED", help="Random seed of the simulation.")] = 7,
) -> None:
    """Watch Hearback at work for a simulated shop, at one day per second.

    With DEMO_SECONDS the demo ends by itself and audits. Exit code 0: everything adds up; 1: there are differences, or
    something never happened; 2: the demo was aborted by an error.
    """
    try:
        result = asyncio.run(Demo(STATE, console, seed).run(seconds))
    except (KeyboardInterrupt, asyncio.CancelledError):
        console.print("Interrupted; everything is stopped.")
        raise typer.Exit(INTERRUPTED if seconds else 0) from None
    except BaseExceptionGroup as group:
        abort(_first(group))
    except EXPECTED_ERRORS as error:
        abort(error)
    if result is not None:
        print_result(result)


def print_result(result: DemoResult) -> None:
    print_report(result.report, console)
    style = "green" if result.adds_up else "bold red"
    console.print(result.last_line, style=style, highlight=False, markup=False, soft_wrap=True)
    if not result.adds_up:
        raise typer.Exit(FAILED)


EXPECTED_ERRORS = (CannotAudit, StackError, BackendUnreachable, NotAcknowledged, httpx.HTTPError, KafkaError, OSError)


def abort(error: BaseException) -> NoReturn:
    if not isinstance(error, EXPECTED_ERRORS):
        raise error
    fail(str(error) or type(error).__name__, exit_code=ABORTED)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
app.command(epilog="Example: DEMO_SECONDS=60 make demo")(main)

if __name__ == "__main__":
    app()
