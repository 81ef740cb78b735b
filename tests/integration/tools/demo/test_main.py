"""The end of a bounded demo: its last line says what happened, its exit code whether everything added up."""

import io

import pytest
import typer
from rich.console import Console

from tools.audit.report import Check, Report
from tools.demo import __main__ as program
from tools.demo.run import DemoResult

FIGURES = "Day 60: 720 orders"


def report(differences: int = 0, inconclusive: str | None = None) -> Report:
    check = Check("published scores", 2, compared=40)
    for number in range(differences):
        check.add_difference(f"segment {number}")
    return Report([check], inconclusive=inconclusive)


def last_line_and_code(result: DemoResult, monkeypatch: pytest.MonkeyPatch) -> tuple[str, int]:
    """The last line and the exit code."""
    written = io.StringIO()
    monkeypatch.setattr(program, "console", Console(file=written, width=80))
    try:
        program.print_result(result)
        code = 0
    except typer.Exit as exit_:
        code = exit_.exit_code
    return written.getvalue().rstrip().splitlines()[-1], code


def test_everything_adds_up(monkeypatch: pytest.MonkeyPatch) -> None:
    assert last_line_and_code(DemoResult(report(), (), FIGURES), monkeypatch) == (f"Everything adds up. {FIGURES}.", 0)


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (DemoResult(report(differences=3), (), FIGURES), "3 differences in 40 comparisons"),
        (DemoResult(report(inconclusive="an answer came meanwhile."), (), FIGURES), "an answer came meanwhile"),
        (DemoResult(report(), ("no email was delivered",), FIGURES), "no email was delivered"),
        (DemoResult(report(differences=1), ("nobody answered",), FIGURES), "comparisons; nobody answered."),
    ],
)
def test_the_last_line_says_what_does_not_add_up(
    result: DemoResult, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    line, code = last_line_and_code(result, monkeypatch)
    assert line.startswith("It does not add up: ") and words in line and line.endswith(f"{FIGURES}.")
    assert code == program.FAILED
