"""`python -m tools.demo`: the loop with a simulated shop, live, until Ctrl-C. `make demo`."""

import asyncio
import logging
from typing import Annotated, NoReturn

import httpx
import typer
from aiokafka.errors import KafkaError
from rich.console import Console

from deploy.local.errors import StackError
from deploy.local.programs import PROJECT
from tools.audit import CannotAudit
from tools.audit.table import show as show_audit
from tools.demo.run import Demo, Ending
from tools.simulation.shop import BackendUnreachable
from tools.simulation.visitor import NotAcknowledged

DOES_NOT_ADD_UP, BROKEN_OFF, INTERRUPTED = 1, 2, 130
STATE = PROJECT / ".hearback" / "demo"

console = Console()
# Its warnings tell of brokers that come back; one that does not is told of in a sentence of ours.
logging.getLogger("aiokafka").addHandler(logging.NullHandler())


def main(
    seconds: Annotated[
        float | None, typer.Option(envvar="DEMO_SECONDS", help="Run for so long, then audit. Else until Ctrl-C.", min=1)
    ] = None,
    seed: Annotated[int, typer.Option(envvar="DEMO_SEED", help="Decides all that is left to chance.")] = 7,
) -> None:
    """Watch Hearback at work for a simulated shop whose days pass in a second.

    With DEMO_SECONDS it ends by itself, audits, and tells by its exit code: 0: everything adds up; 1: something does
    not, or never happened; 2: it broke off.
    """
    try:
        ending = asyncio.run(Demo(STATE, console, seed).run(seconds))
    except (KeyboardInterrupt, asyncio.CancelledError):
        console.print("Interrupted: everything is stopped.")
        raise typer.Exit(INTERRUPTED if seconds else 0) from None
    except BaseExceptionGroup as group:
        fail(_first(group))
    except KNOWN as error:
        fail(error)
    if ending is not None:
        tell(ending)


def tell(ending: Ending) -> None:
    show_audit(ending.report, console)
    style = "green" if ending.adds_up else "bold red"
    console.print(ending.last_line, style=style, highlight=False, markup=False, soft_wrap=True)
    if not ending.adds_up:
        raise typer.Exit(DOES_NOT_ADD_UP)


KNOWN = (CannotAudit, StackError, BackendUnreachable, NotAcknowledged, httpx.HTTPError, KafkaError, OSError)


def fail(error: BaseException) -> NoReturn:
    if not isinstance(error, KNOWN):
        raise error
    sentence = str(error) or type(error).__name__
    Console(stderr=True).print(sentence, highlight=False, markup=False, soft_wrap=True)
    raise typer.Exit(BROKEN_OFF)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
app.command(epilog="Example: DEMO_SECONDS=60 make demo")(main)

if __name__ == "__main__":
    app()
