"""The command: which benchmarks to run, how they are shown, where the figures are kept."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated

import typer
import uvloop
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks import scorer
from benchmarks.result import Result, WrongOutcome, keep, show
from benchmarks.surroundings import STATE, Surroundings, surroundings
from deploy.local.errors import StackError

Benchmark = Callable[[Surroundings, Callable[[str, float], None]], Awaitable[Result]]

BENCHMARKS: dict[str, Benchmark] = {"scorer": scorer.measure}

console = Console()


def main(
    names: Annotated[list[str] | None, typer.Argument(help="Which to run: " + ", ".join(BENCHMARKS) + ".")] = None,
    messages: Annotated[int, typer.Option(min=1_000, help="Answers the scorer takes in.")] = 1_000_000,
    json: Annotated[Path, typer.Option(help="Where to keep the figures.")] = STATE / "results.json",
) -> None:
    """Measures Hearback on a real Kafka and PostgreSQL. Exit status 1 when an expectation is not met.

    For example: python -m benchmarks scorer --messages 200000
    """
    chosen = names or list(BENCHMARKS)
    if unknown := [name for name in chosen if name not in BENCHMARKS]:
        raise typer.BadParameter(f"no benchmark {unknown[0]!r}; there are {', '.join(BENCHMARKS)}")
    try:
        results = uvloop.run(_run(chosen, messages))
    except (StackError, WrongOutcome) as error:
        console.print(f"[red]{error}[/red]")
        raise typer.Exit(1) from error
    show(console, results)
    keep(results, json)
    missed = [result.name for result in results if not result.met]
    console.print(f"Figures kept in {json}." + (f" Expectations not met: {', '.join(missed)}." if missed else ""))
    raise typer.Exit(1 if missed else 0)


async def _run(names: list[str], messages: int) -> list[Result]:
    results = []
    for name in names:
        with Progress(
            TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=console, transient=True
        ) as bar:
            task = bar.add_task(f"{name}: backends", total=1.0)

            def progress(doing: str, done: float, name: str = name) -> None:
                bar.update(task, description=f"{name}: {doing}", completed=done)  # noqa: B023  # used at once

            async with surroundings() as on:
                benchmark = BENCHMARKS[name]
                if name == "scorer":
                    results.append(await scorer.measure(on, progress, messages))
                else:
                    results.append(await benchmark(on, progress))
    return results


if __name__ == "__main__":
    typer.run(main)
