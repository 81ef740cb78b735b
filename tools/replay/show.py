"""Progress of a replay: a bar in a terminal, a line for each tenth elsewhere."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from deploy.local.progress import Display
from tools.replay.driver import Count
from tools.replay.run import Replay

TENTHS = 10


class Showing:
    """Watches a replay: first the parts of the stack as they start, then how far the past has come."""

    def __init__(self, console: Console, replay: Replay) -> None:
        self._console = console
        self._replay = replay
        self._parts: dict[str, str] = {}
        self._display = Display(console)
        self._wake = [number for number in replay.plan.wake if number > replay.progress.done]
        self._bar: Progress | None = None
        self._told = 0

    def __enter__(self) -> Self:
        if self._replay.goes_on:
            self._console.print("Going on where the last replay was broken off; --fresh begins anew.")
        self._display.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bar is None:
            self._display.__exit__(kind, error, traceback)
        else:
            self._bar.stop()

    def doing(self, part: str, what: str) -> None:
        if self._bar is None:
            self._parts[part] = what
            self._display.show(self._parts)

    def step_done(self, count: Count) -> None:
        if self._bar is None:
            self._begin_bar()
        assert self._bar is not None
        line = f"{count.now:%Y-%m-%d}  {count.events:,} events  {count.answers:,} answers"
        self._bar.update(self._bar.task_ids[0], completed=count.steps, description=line)
        tenth = count.steps * TENTHS // len(self._wake)
        if not self._console.is_terminal and tenth > self._told:
            self._told = tenth
            self._console.print(f"{tenth * 100 // TENTHS:>3} %  {line}", highlight=False)

    def _begin_bar(self) -> None:
        self._display.__exit__(None, None, None)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("steps"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._bar.add_task("", total=len(self._wake))
        self._bar.start()
