"""How a bounded demo ends: its last line says what happened, its exit code whether that was all as it should be."""

import io

import pytest
import typer
from rich.console import Console

from tools.audit.report import Check, Report
from tools.demo import __main__ as program
from tools.demo.run import Ending

FIGURES = "Day 60: 720 orders"


def report(differences: int = 0, unrest: str | None = None) -> Report:
    check = Check("scores", 7, compared=40)
    for number in range(differences):
        check.differs(f"segment {number}")
    return Report([check], unrest=unrest)


def told(ending: Ending, monkeypatch: pytest.MonkeyPatch) -> tuple[str, int]:
    """The last line, and the exit code."""
    written = io.StringIO()
    monkeypatch.setattr(program, "console", Console(file=written, width=80))
    try:
        program.tell(ending)
        code = 0
    except typer.Exit as exit_:
        code = exit_.exit_code
    return written.getvalue().rstrip().splitlines()[-1], code


def test_all_is_well(monkeypatch: pytest.MonkeyPatch) -> None:
    assert told(Ending(report(), (), FIGURES), monkeypatch) == (f"Everything adds up. {FIGURES}.", 0)


@pytest.mark.parametrize(
    ("ending", "words"),
    [
        (Ending(report(differences=3), (), FIGURES), "3 differences in 40 comparisons"),
        (Ending(report(unrest="an answer came meanwhile."), (), FIGURES), "an answer came meanwhile"),
        (Ending(report(), ("no mail was delivered",), FIGURES), "no mail was delivered"),
        (Ending(report(differences=1), ("nobody answered",), FIGURES), "comparisons; nobody answered."),
    ],
)
def test_what_does_not_add_up_is_in_the_last_line(ending: Ending, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    line, code = told(ending, monkeypatch)
    assert line.startswith("It does not add up: ") and words in line and line.endswith(f"{FIGURES}.")
    assert code == program.DOES_NOT_ADD_UP
