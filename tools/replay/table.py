"""Prints the result of a replay; the same data set produces the same lines."""

from rich.console import Console
from rich.table import Table

from shared.nps import NetPromoterScore
from tools.replay.outcome import Outcome

MINIMUM_ANSWERS = 10
"""Scores based on fewer answers are shown as held back, as in the product."""
TITLES = {"delivery": "By delivery", "region": "By state"}


def print_outcome(outcome: Outcome, console: Console) -> None:
    table = Table(title="NPS, derived from order satisfaction (1–5 stars as 0, 2, 5, 8, 10)", box=None, pad_edge=False)
    table.add_column("segment")
    for column in ("NPS", "95 % interval", "answers", "promoters", "passives", "detractors"):
        table.add_column(column, justify="right")
    table.add_row("everybody", *_cells(outcome.everybody))
    for dimension, scores in outcome.scores.items():
        table.add_section()
        table.add_row(f"[bold]{TITLES[dimension]}[/]")
        for value, score in sorted(scores.items(), key=lambda item: (-item[1].counts.n, item[0])):
            table.add_row(value.replace("_", " "), *_cells(score))
    console.print(table)


def _cells(score: NetPromoterScore) -> tuple[str, ...]:
    counts = score.counts
    nps = "held back" if counts.n < MINIMUM_ANSWERS or score.nps is None else f"{score.nps:+.1f}"
    return (
        nps,
        f"{score.low:+.1f} to {score.high:+.1f}",
        *(f"{number:,}" for number in (counts.n, counts.promoters, counts.passives, counts.detractors)),
    )
