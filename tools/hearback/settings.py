"""`hearback settings`: whether processes would start with the settings that are here."""

import os
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.console import Console

from shared.kafka_settings import settings_errors
from shared.processes import PROCESSES
from shared.terminal import fail
from shared.unknown_settings import unknown_settings
from tools.hearback.commands import Commands
from tools.hearback.database import CANNOT, NOT_DONE

app = typer.Typer(cls=Commands, no_args_is_help=True, help="The settings of processes.")
console = Console(soft_wrap=True)


@app.command()
def check(
    processes: Annotated[
        list[str] | None, typer.Argument(help="Whose settings; by default those of all processes.", show_default=False)
    ] = None,
) -> None:
    """Read the settings of processes as they would, from the environment and from /run/secrets, and start nothing.

    Exit code 0: all can be used; 1: some cannot, each told in a line; values are never shown. Names that nothing reads
    are told, too, and are no error.
    """
    names = list(dict.fromkeys(processes or PROCESSES))
    if unknown := [name for name in names if name not in PROCESSES]:
        fail(f"There is no process {unknown[0][:60]!r}; choose from {', '.join(PROCESSES)}.", exit_code=CANNOT)
    from tools.settings_of_process import SETTINGS_OF_PROCESS  # takes longer to import than all other commands need

    wrong: dict[str, list[str]] = {}
    for name in names:
        try:
            SETTINGS_OF_PROCESS[name]()
        except ValidationError as error:
            for sentence in settings_errors(error):
                wrong.setdefault(sentence, []).append(name)
    for sentence, of in wrong.items():
        console.print(f"{sentence} ({', '.join(of)})" if len(of) < len(names) else sentence, markup=False)
    for sentence in unknown_settings(os.environ):
        console.print(sentence, markup=False)
    if wrong:
        raise typer.Exit(NOT_DONE)
    console.print(f"The settings of {', '.join(names)} can be used.")
