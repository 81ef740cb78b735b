"""A benchmark without figures is a missed expectation, told beside the figures of the others."""

import io

from rich.console import Console

from benchmarks.result import Measure, Result, print_results

FAST = Result("orders", (Measure("events", 5, "per second"),))
FAILED = Result("reaction", (), failure="answers: 170 per second instead of 200")


def test_a_failure_is_printed_and_is_not_met() -> None:
    printed = io.StringIO()
    print_results(Console(file=printed, width=100), [FAILED, FAST])
    assert "170 per second instead of 200" in printed.getvalue()
    assert "5.00 per second" in printed.getvalue()
    assert (FAILED.met, FAST.met) == (False, True)
