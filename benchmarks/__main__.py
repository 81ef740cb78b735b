"""The command: which benchmarks to run, how they are shown, where the figures are kept."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
import uvloop
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks import memory, orders, reaction, scorer, startup, stream
from benchmarks.environment import STATE, Environment, environment
from benchmarks.result import Result, WrongOutcome, keep, show
from deploy.local.errors import StackError


@dataclass(frozen=True, slots=True)
class Load:
    """How much the benchmarks are given to do."""

    messages: int
    events: int
    rate: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Benchmark:
    about: str
    measure: Callable[[stream.Progress, Load], Awaitable[Result]]


def on_backends(
    measure: Callable[[Environment, stream.Progress, Load], Awaitable[Result]],
) -> Callable[[stream.Progress, Load], Awaitable[Result]]:
    """For a benchmark that needs a Kafka and a PostgreSQL, with a database and topics of its own."""

    async def on_its_own(progress: stream.Progress, load: Load) -> Result:
        progress("backends", 0)
        async with environment() as on:
            return await measure(on, progress, load)

    return on_its_own


BENCHMARKS = {
    "scorer": Benchmark(
        "answers the scorer takes in, next to a bare loop",
        on_backends(lambda on, progress, load: scorer.measure(on, progress, load.messages)),
    ),
    "orders": Benchmark(
        "order events the dispatcher takes in, a decision each, next to a bare loop",
        on_backends(lambda on, progress, load: orders.measure(on, progress, load.events)),
    ),
    "reaction": Benchmark(
        "from an acknowledged answer to its record on followups.detractors, next to two bare hops",
        on_backends(lambda on, progress, load: reaction.measure(on, progress, load.rate, load.seconds)),
    ),
    "startup": Benchmark(
        "seconds until everything is ready, cold and warm; always on backends of its own",
        lambda progress, _: startup.measure(progress),
    ),
    "memory": Benchmark(
        "resident memory of every process at rest; always on backends of its own",
        lambda progress, _: memory.measure(progress),
    ),
}

HELP = "\n".join(
    (
        "Measures Hearback on a real Kafka and PostgreSQL. Exit status 1 when an expectation is not met.\n",
        *(f"- **{name}**: {benchmark.about}" for name, benchmark in BENCHMARKS.items()),
        "\nFor example: `python -m benchmarks scorer --messages 200000`",
    )
)

app = typer.Typer(add_completion=False, rich_markup_mode="markdown", pretty_exceptions_enable=False)
console = Console()


@app.command(help=HELP)
def main(
    names: Annotated[list[str] | None, typer.Argument(help="Which to run; all when none is named.")] = None,
    messages: Annotated[int, typer.Option(min=1_000, help="scorer: how many answers.")] = 1_000_000,
    events: Annotated[int, typer.Option(min=20_000, help="orders: how many order events.")] = 40_000,
    rate: Annotated[int, typer.Option(min=1, max=1_000, help="reaction: answers a second.")] = 200,
    seconds: Annotated[float, typer.Option(min=2, max=300, help="reaction: for how long.")] = 20.0,
    json: Annotated[
        Path, typer.Option(help="Where to keep the figures.", show_default=".hearback/bench/results.json")
    ] = STATE / "results.json",
) -> None:
    chosen = names or list(BENCHMARKS)
    if unknown := [name for name in chosen if name not in BENCHMARKS]:
        raise typer.BadParameter(f"no benchmark {unknown[0]!r}; there are {', '.join(BENCHMARKS)}")
    try:
        results = uvloop.run(_run(chosen, Load(messages, events, rate, seconds)))
    except (StackError, WrongOutcome) as error:
        console.print(str(error), style="red", markup=False)
        raise typer.Exit(1) from error
    show(console, results)
    keep(results, json)
    missed = [result.name for result in results if not result.met]
    console.print(f"Figures kept in {json}." + (f" Expectations not met: {', '.join(missed)}." if missed else ""))
    raise typer.Exit(1 if missed else 0)


async def _run(names: list[str], load: Load) -> list[Result]:
    results = []
    for name in names:
        with Progress(
            TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=console, transient=True
        ) as bar:
            task = bar.add_task(name, total=1.0)

            def progress(doing: str, done: float, name: str = name) -> None:
                bar.update(task, description=f"{name}: {doing}", completed=done)  # noqa: B023  # used at once

            results.append(await BENCHMARKS[name].measure(progress, load))
    return results


if __name__ == "__main__":
    app()
