"""How lists are printed, so that ids can be copied and lines be searched; and what others have written."""

import unicodedata

from rich.console import Console
from rich.table import Table

_WIDER_THAN_ANY_LINE = 100_000


def list_of(*columns: str) -> Table:
    """A table of which the first column has the ids. These stay whole in a narrow terminal; the others are folded."""
    table = Table(show_edge=False, box=None, pad_edge=False)
    for number, column in enumerate(columns):
        table.add_column(column, overflow="fold", no_wrap=number == 0)
    return table


def print_list(console: Console, table: Table) -> None:
    """At a terminal as wide as it is; in a pipe, a line per row."""
    if not console.is_terminal:
        # In a pipe there is no width, and Rich would take 80 columns.
        console = Console(file=console.file, width=_WIDER_THAN_ANY_LINE)
    console.print(table, markup=False, soft_wrap=False)


def visible(text: str) -> str:
    """What somebody else has written, with escapes for what a terminal would obey instead of showing it."""
    return "".join(
        character.encode("unicode_escape").decode()
        if unicodedata.category(character) in ("Cc", "Cf", "Cs") and character not in "\n\t"
        else character
        for character in text
    )
