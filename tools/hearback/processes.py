"""`hearback run`: a process of the product."""

import os
import sys
from typing import Annotated

import typer

from shared.processes import PROCESSES, python_arguments
from shared.terminal import fail
from tools.hearback.database import CANNOT


def run(
    process: Annotated[str, typer.Argument(help=f"One of {', '.join(PROCESSES)}.", show_default=False)],
) -> None:
    """Run one process of the product until it is told to stop, by SIGTERM or Ctrl-C.

    It brings its tables up to date, creates missing topics, and waits for PostgreSQL and Kafka if they are not there
    yet: the order in which things are started does not matter. Settings come from the environment and from files in
    /run/secrets. Exit code 0: it was stopped; 1: it could not go on; 2: a setting is wrong.
    """
    if process not in PROCESSES:
        fail(f"There is no process {process[:60]!r}; choose from {', '.join(PROCESSES)}.", exit_code=CANNOT)
    # In place of this one, so that signals reach it, and nothing of the command's own stays in memory.
    os.execv(sys.executable, [sys.executable, *python_arguments(process)])  # noqa: S606  # no shell is wanted
