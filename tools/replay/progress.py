"""Shows a replay's progress: a bar in a terminal, otherwise a line for every 10%."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from deploy.local.progress import Display
from tools.replay.driver import Counters
from tools.replay.run import Replay

TENTHS = 10


class ProgressDisplay:
    """Shows first the stack starting, then the steps of the replay."""

    def __init__(self, console: Console, replay: Replay) -> None:
        self._console = console
        self._replay = replay
        self._parts: dict[str, str] = {}
        self._display = Display(console)
        self._active_steps = [number for number in replay.plan.active_steps if number > replay.progress.completed_step]
        self._bar: Progress | None = None
        self._printed_tenths = 0

    def __enter__(self) -> Self:
        if self._replay.resumes:
            self._console.print("Resuming the interrupted replay; use --fresh to start over.")
        self._display.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bar is None:
            self._display.__exit__(kind, error, traceback)
        else:
            self._bar.stop()

    def stack_progress(self, part: str, status: str) -> None:
        if self._bar is None:
            self._parts[part] = status
            self._display.show(self._parts)

    def step_done(self, counters: Counters) -> None:
        if self._bar is None:
            self._begin_bar()
        assert self._bar is not None
        line = f"{counters.now:%Y-%m-%d}  {counters.events:,} events  {counters.answers:,} answers"
        self._bar.update(self._bar.task_ids[0], completed=counters.steps, description=line)
        tenth = counters.steps * TENTHS // len(self._active_steps)
        if not self._console.is_terminal and tenth > self._printed_tenths:
            self._printed_tenths = tenth
            self._console.print(f"{tenth * 100 // TENTHS:>3}%  {line}", highlight=False)

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
        self._bar.add_task("", total=len(self._active_steps))
        self._bar.start()
