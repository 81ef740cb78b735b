"""The command line: selects and runs benchmarks, prints and saves the results."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated

import typer
import uvloop
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks import (
    collector,
    dashboard,
    idle,
    ingestion,
    memory,
    orders,
    outbox,
    publication,
    reaction,
    relay,
    scorer,
    sends,
    startup,
    stream,
    timers,
)
from benchmarks.answers import RICH
from benchmarks.environment import STATE, BackendsForBenchmarks, Environment
from benchmarks.peers import measure as peers
from benchmarks.result import Result, WrongOutcome, print_results, save
from deploy.local.errors import StackError


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """The workload sizes, and the peers to run, by default all."""

    messages: int
    peers_messages: int
    stored: int
    events: int
    surveys: int
    timers: int
    seconds: float
    idle_seconds: float
    posted: int
    ingested: int
    peers: Sequence[str] = ()

    def at_most(self, other: "Load") -> "Load":
        """The smaller of each size."""
        sizes = [size.name for size in fields(self) if size.name != "peers"]
        return replace(self, **{name: min(getattr(self, name), getattr(other, name)) for name in sizes})


_SHORT_LOAD = Load(
    messages=300_000,
    peers_messages=30_000,
    stored=200_000,
    events=20_000,
    surveys=3_000,
    timers=100_000,
    seconds=6.0,
    idle_seconds=10.0,
    posted=2_000,
    ingested=5_000,
)


@dataclass(frozen=True, slots=True)
class Benchmark:
    description: str
    measure: Callable[[BackendsForBenchmarks, stream.Progress, Load], Awaitable[Result]]
    by_default: bool = True


def on_backends(
    measure: Callable[[Environment, stream.Progress, Load], Awaitable[Result]],
) -> Callable[[BackendsForBenchmarks, stream.Progress, Load], Awaitable[Result]]:
    """For a benchmark that needs Kafka and PostgreSQL, with its own database and topics."""

    async def measure_in_environment(backends: BackendsForBenchmarks, progress: stream.Progress, load: Load) -> Result:
        progress("backends", 0)
        async with backends.environment() as on:
            return await measure(on, progress, load)

    return measure_in_environment


def alone(
    measure: Callable[[stream.Progress, Load], Awaitable[Result]],
) -> Callable[[BackendsForBenchmarks, stream.Progress, Load], Awaitable[Result]]:
    """For a benchmark that starts everything itself; the others' backends are stopped for it."""

    async def measure_alone(backends: BackendsForBenchmarks, progress: stream.Progress, load: Load) -> Result:
        await backends.stop()
        return await measure(progress, load)

    return measure_alone


BENCHMARKS = {
    "scorer": Benchmark(
        "answers per second in the scorer, compared with a bare loop",
        on_backends(lambda on, progress, load: scorer.measure(on, progress, load.messages)),
    ),
    "scorer-rich": Benchmark(
        "the same, of answers with comments, campaigns, surveys, lists and ten thousand segment values",
        on_backends(lambda on, progress, load: scorer.measure(on, progress, load.messages // 4, RICH)),
    ),
    "scorer-stored": Benchmark(
        "answers per second in the scorer when many are stored, compared with none",
        on_backends(
            lambda on, progress, load: scorer.measure_after_many(on, progress, load.messages // 4, load.stored)
        ),
    ),
    "orders": Benchmark(
        "order events per second in the dispatcher, compared with a bare consumer; with 3 and with 200 campaigns",
        on_backends(lambda on, progress, load: orders.measure(on, progress, load.events)),
    ),
    "sends": Benchmark(
        "surveys decided, published and delivered per second, compared with aiosmtplib alone",
        on_backends(lambda on, progress, load: sends.measure(on, progress, load.surveys)),
    ),
    "timers": Benchmark(
        "claiming, setting, deferring and cancelling timers with many pending, and beside a held snapshot",
        on_backends(lambda on, progress, load: timers.measure(on, progress, load.timers)),
    ),
    "reaction": Benchmark(
        "latency from an acknowledged answer to its record on followups.detractors, compared with two bare hops, at "
        "20, 200 and 400 answers a second; processor time of everything for an answer",
        on_backends(lambda on, progress, load: reaction.measure(on, progress, load.seconds)),
    ),
    "collector": Benchmark(
        "answers per second at the collector alone, over the API and its landing page, compared with a bare INSERT",
        on_backends(lambda on, progress, load: collector.measure(on, progress, load.posted)),
    ),
    "ingestion": Benchmark(
        "answers per second and the delay of their acknowledgement while the whole product runs",
        on_backends(lambda on, progress, load: ingestion.measure(on, progress, load.ingested)),
    ),
    "relay": Benchmark(
        "latency from a commit to the record at a consumer, and records per second from a full outbox",
        on_backends(lambda on, progress, _: relay.measure(on, progress)),
    ),
    "dashboard": Benchmark(
        "bytes and processor time of the dashboard at 10,000 segment values, and what it does to counting",
        on_backends(lambda on, progress, _: dashboard.measure(on, progress)),
    ),
    "outbox": Benchmark(
        "latency from a commit to the record at a consumer, beside a held snapshot and a million deleted rows",
        on_backends(lambda on, progress, _: outbox.measure(on, progress)),
    ),
    "publication": Benchmark(
        "age of published scores at ten thousand segments and a steady rate of answers, over a midnight",
        on_backends(lambda on, progress, _: publication.measure(on, progress)),
    ),
    "startup": Benchmark(
        "seconds until everything is ready, cold and warm; always with its own backends",
        alone(lambda progress, _: startup.measure(progress)),
    ),
    "idle": Benchmark(
        "processor time of every process while nothing happens; always with its own backends",
        alone(lambda progress, load: idle.measure(progress, load.idle_seconds)),
    ),
    "memory": Benchmark(
        "resident memory of every process when idle; always with its own backends",
        alone(lambda progress, _: memory.measure(progress)),
    ),
    "peers": Benchmark(
        "the scorer beside other stream processors, undisturbed and after `kill -9`; installs each in an environment "
        "of its own; only when named",
        on_backends(lambda on, progress, load: peers.measure(on, progress, load.peers_messages, load.peers)),
        by_default=False,
    ),
}

SHORT = ("scorer", "orders", "collector", "reaction")
"""What matters most, in two minutes with the smaller loads of ``_SHORT_LOAD``."""

HELP = "\n".join(
    (
        "Measures Hearback on a real Kafka and PostgreSQL. Exit code 1 when an expectation is not met.\n",
        *(f"- **{name}**: {benchmark.description}" for name, benchmark in BENCHMARKS.items()),
        "\nFor example: `python -m benchmarks scorer --messages 200000`",
    )
)

app = typer.Typer(add_completion=False, rich_markup_mode="markdown", pretty_exceptions_enable=False)
console = Console()


@app.command(help=HELP)
def main(
    names: Annotated[list[str] | None, typer.Argument(help="The benchmarks to run; default: all but peers.")] = None,
    messages: Annotated[
        int | None,
        typer.Option(
            min=1_000,
            help="scorer: number of answers; peers: likewise; the others: a quarter.",
            show_default="1000000; peers: 300000",
        ),
    ] = None,
    peer: Annotated[list[str] | None, typer.Option(help="peers: only this one; may repeat.")] = None,
    stored: Annotated[int, typer.Option(min=1_000, help="scorer-stored: answers in the tables.")] = 2_000_000,
    events: Annotated[int, typer.Option(min=20_000, help="orders: number of order events.")] = 80_000,
    surveys: Annotated[int, typer.Option(min=3_000, help="sends: number of surveys.")] = 10_000,
    timers: Annotated[int, typer.Option(min=100_000, help="timers: number of pending timers.")] = 1_000_000,
    seconds: Annotated[float, typer.Option(min=2, max=300, help="reaction: duration of each rate in seconds.")] = 10.0,
    idle_seconds: Annotated[float, typer.Option(min=5, max=600, help="idle: duration in seconds.")] = idle.SECONDS,
    posted: Annotated[int, typer.Option(min=500, help="collector: answers a round.")] = 8_000,
    ingested: Annotated[int, typer.Option(min=500, help="ingestion: number of answers.")] = 30_000,
    short: Annotated[
        bool, typer.Option("--short", help=f"Two minutes instead of twelve: small loads; {', '.join(SHORT)}.")
    ] = False,
    json: Annotated[
        Path, typer.Option(help="File to save the results to.", show_default=".hearback/bench/results.json")
    ] = STATE / "results.json",
) -> None:
    by_default = [name for name, benchmark in BENCHMARKS.items() if benchmark.by_default]
    chosen = names or list(SHORT if short else by_default)
    if unknown := [name for name in chosen if name not in BENCHMARKS]:
        raise typer.BadParameter(f"no benchmark {unknown[0]!r}; choose from {', '.join(BENCHMARKS)}")
    if strangers := [name for name in peer or () if name not in peers.NAMES]:
        raise typer.BadParameter(f"no peer {strangers[0]!r}; choose from {', '.join(peers.NAMES)}")
    load = Load(
        messages=messages or 1_000_000,
        peers_messages=messages or 300_000,
        peers=peer or (),
        stored=stored,
        events=events,
        surveys=surveys,
        timers=timers,
        seconds=seconds,
        idle_seconds=idle_seconds,
        posted=posted,
        ingested=ingested,
    )
    if short:
        load = load.at_most(_SHORT_LOAD)
    results = uvloop.run(_run(chosen, load, json))
    print_results(console, results)
    missed = [result.name for result in results if not result.met]
    console.print(f"Results saved in {json}." + (f" Expectations not met: {', '.join(missed)}." if missed else ""))
    raise typer.Exit(1 if missed else 0)


async def _run(names: list[str], load: Load, file: Path) -> list[Result]:
    """What there is is saved after each of them."""
    backends, results = BackendsForBenchmarks(), list[Result]()
    try:
        for name in names:
            results.append(await _run_one(BENCHMARKS[name], name, backends, load))
            save(results, file)
        return results
    finally:
        await backends.stop()


async def _run_one(benchmark: Benchmark, name: str, backends: BackendsForBenchmarks, load: Load) -> Result:
    with Progress(
        TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=console, transient=True
    ) as bar:
        task = bar.add_task(name, total=1.0)

        def progress(step: str, done: float) -> None:
            bar.update(task, description=f"{name}: {step}", completed=done)

        try:
            return await benchmark.measure(backends, progress, load)
        except Exception as error:
            # Whatever it is, such as a time limit: the others' figures are still worth having.
            known = isinstance(error, StackError | WrongOutcome)
            return Result(name, (), failure=str(error) if known else f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    app()
