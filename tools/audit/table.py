"""Prints a report: a row per check, then the differences."""

from rich.console import Console
from rich.table import Table

from tools.audit.advice import ADVICE
from tools.audit.report import Report


def print_report(report: Report, console: Console) -> None:
    if report.checks:
        table = Table("promise", "check", box=None, pad_edge=False)
        table.add_column("compared", justify="right")
        table.add_column("differences", justify="right")
        for check in report.checks:
            mark = "none" if not check.differences else f"[bold red]{check.differences:,}[/]"
            table.add_row(str(check.promise), check.name, f"{check.compared:,}", mark)
        console.print(table)
    for check in report.checks:
        if check.differences:
            console.print(f"{check.name}: {ADVICE[check.name]}", highlight=False, markup=False, soft_wrap=True)
        for example in check.examples:
            console.print(f"  {example}", style="red", highlight=False, markup=False, soft_wrap=True)
    left_out = ", ".join(f"{check.left_out:,} of “{check.name}”" for check in report.checks if check.left_out)
    if left_out:
        console.print(
            f"Left out, because what they follow from is not recorded, or no longer (docs/audit.md): {left_out}.",
            highlight=False,
            soft_wrap=True,
        )
    if report.pending and not report.inconclusive:
        pending = ", ".join(f"{count:,} {name}" for name, count in report.pending.items())
        console.print(f"Still pending, as expected: {pending}.", highlight=False, soft_wrap=True)
    console.print(report.summary(), style="green" if report.clean else "bold red", highlight=False, markup=False)
