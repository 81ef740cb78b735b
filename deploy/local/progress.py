"""Shows a stack's progress while it starts: a live table in a terminal, otherwise plain lines."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text


class Display:
    """Shows the status of each part of a stack until the block ends."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, transient=True) if console.is_terminal else None
        self._shown: dict[str, str] = {}
        self._spinner = Spinner("dots")

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def show(self, parts: dict[str, str]) -> None:
        if parts == self._shown:
            return
        if self._live:
            self._live.update(self._table(parts))
        else:
            self._print_changes(parts)
        self._shown = dict(parts)

    def _table(self, parts: dict[str, str]) -> Table:
        table = Table.grid(padding=(0, 2))
        for part, status in parts.items():
            done = status == "ready" or status.startswith("using ")
            table.add_row(Text("✓", style="green") if done else self._spinner, part, Text(status, style="dim"))
        return table

    def _print_changes(self, parts: dict[str, str]) -> None:
        for part, status in parts.items():
            before = self._shown.get(part, "")
            # In a log, one line for all jars is enough.
            fetching = status.startswith("fetching") and before.startswith("fetching")
            if status != before and not fetching:
                self._console.print(f"{part}: {status}", highlight=False, markup=False)
