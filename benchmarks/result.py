"""Benchmark results: printing and saving them."""

import json
import platform
from collections.abc import Sequence
from dataclasses import KW_ONLY, asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure. ``expected`` describes the expectation and ``met`` whether it holds; None without an expectation."""

    name: str
    value: float
    unit: str
    _: KW_ONLY
    expected: str = ""
    met: bool | None = None

    @property
    def text(self) -> str:
        digits = 0 if abs(self.value) >= 1_000 else 2 if abs(self.value) < 10 else 1
        return f"{self.value:,.{digits}f} {self.unit}".strip()


@dataclass(frozen=True, slots=True)
class Result:
    """``checks`` describe what was verified; ``notes`` are told below them. ``failure`` says why there are no measures,
    if there are none.
    """

    name: str
    measures: Sequence[Measure]
    checks: Sequence[str] = field(default_factory=tuple)
    failure: str = ""
    _: KW_ONLY
    notes: Sequence[str] = field(default_factory=tuple)

    @property
    def met(self) -> bool:
        return not self.failure and all(measure.met is not False for measure in self.measures)


class WrongOutcome(AssertionError):
    """The measured program did not do its work correctly, so its speed is meaningless."""


def print_results(console: Console, results: Sequence[Result]) -> None:
    for result in results:
        if result.failure:
            console.print(f"{result.name}\n{result.failure}\n", style="red", markup=False)
            continue
        table = Table(title=result.name, title_justify="left", show_edge=False)
        table.add_column("measure")
        table.add_column("value", justify="right")
        table.add_column("expected")
        for measure in result.measures:
            verdict = "" if measure.met is None else (" ✓" if measure.met else " ✗ not met")
            table.add_row(measure.name, measure.text, measure.expected + verdict)
        console.print(table)
        for check in result.checks:
            console.print(f"  verified: {check}")
        for note in result.notes:
            console.print(f"  {note}", markup=False)
        console.print()


def save(results: Sequence[Result], file: Path) -> None:
    """Writes the results as JSON, with a description of the machine."""
    file.parent.mkdir(parents=True, exist_ok=True)
    document = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {
            "system": platform.platform(),
            "python": platform.python_version(),
            "processors": psutil.cpu_count(),
            "memory_gigabytes": round(psutil.virtual_memory().total / 2**30, 1),
        },
        "results": [asdict(result) for result in results],
    }
    file.write_text(json.dumps(document, indent=2) + "\n")
