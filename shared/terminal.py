"""What every command does the same at a terminal."""

import logging
from typing import NoReturn

import typer
from rich.console import Console


def fail(message: str, *, exit_code: int) -> NoReturn:
    """Ends the command with a sentence on stderr."""
    Console(stderr=True).print(message, highlight=False, markup=False, soft_wrap=True)
    raise typer.Exit(exit_code)


def silence_kafka() -> None:
    """aiokafka warns about every reconnect; if a broker stays unreachable, the command reports it itself."""
    logging.getLogger("aiokafka").addHandler(logging.NullHandler())
