"""What an audit prints about differences: what they mean, what to do, and which they are."""

import re
from io import StringIO
from pathlib import Path

from rich.console import Console

import tools.audit.checks
from tools.audit.advice import ADVICE
from tools.audit.report import Check, Report
from tools.audit.table import print_report


def printed(report: Report) -> str:
    console = Console(file=StringIO(), width=200)
    print_report(report, console)
    file = console.file
    assert isinstance(file, StringIO)
    return file.getvalue()


def test_each_check_says_what_its_differences_mean() -> None:
    sources = "".join(path.read_text() for path in Path(tools.audit.checks.__path__[0]).glob("*.py"))
    assert set(re.findall(r'Check\(\s*"([^"]+)"', sources)) == ADVICE.keys()


def test_the_meaning_is_printed_once_and_only_with_differences() -> None:
    wrong, right = Check("published cases", 3), Check("published scores", 2)
    for case in "ab":
        wrong.expect_equal(f"case {case}", expected=1, found=2)
    text = printed(Report([wrong, right]))
    assert text.count(ADVICE["published cases"]) == 1
    assert ADVICE["published scores"] not in text
    assert "case a: recomputed 1, found 2" in text
    assert "case b: recomputed 1, found 2" in text
