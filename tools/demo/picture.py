"""The loop as a picture for the terminal: what went over each arrow, the score, and where to look."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rich.console import Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from tools.demo.watch import Figures
from tools.demo.world import Done

BAR_WIDTH = 41
MOST_REGIONS = 4
HEIGHT_WITHOUT_REGIONS = 20


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything one picture shows. ``links`` are title and address."""

    now: datetime
    days: float
    done: Done
    figures: Figures
    links: Mapping[str, str]


def line(scene: Scene) -> str:
    """The same in one plain line."""
    figures, done = scene.figures, scene.done
    return (
        f"Day {scene.days:.0f}: {done.orders:,} orders, {figures.count('surveys.sends', 'survey.sent'):,} sent, "
        f"{done.mails:,} read, {done.answers:,} answered, {score_in_words(figures.score)}, "
        f"{figures.count('followups.detractors', 'case.opened'):,} detractor cases"
    )


def picture(scene: Scene, height: int = 24) -> Group:
    """At most ``height`` lines at 80 columns, where there are 20: a terminal would cut off the end, the links."""
    return Group(
        Panel(
            _loop(scene),
            title=f"Hearback · {scene.now:%d %B %Y} · day {scene.days:.0f}",
            subtitle=f"{scene.done.scanned:,} mails opened by scanners, and none of that counted",
            border_style="blue",
        ),
        Panel(
            _score(scene.figures, max(0, min(MOST_REGIONS, height - HEIGHT_WITHOUT_REGIONS))),
            title="How likely are they to recommend us?",
            border_style="blue",
        ),
        _links(scene.links),
    )


def score_in_words(score: Mapping[str, Any]) -> str:
    if not score or score["nps"] is None:
        return "no NPS yet"
    margin = (score["high"] - score["low"]) / 2
    return f"NPS {score['nps']:+.0f} ± {margin:.0f} (n {score['n']:,})".replace("-", "−")


def _loop(scene: Scene) -> Table:
    """One row an arrow, in the order an order takes them."""
    done, figures = scene.done, scene.figures
    seen = figures.count
    to_case = figures.typical_seconds_to_case
    rows = (
        ("shop", "orders", "dispatcher", seen("orders"), f"of {done.orders:,} orders"),
        ("dispatcher", "surveys.sends", "courier", seen("surveys.sends", "survey.sent"), "came due"),
        (
            "courier", "e-mail", "customers", seen("surveys.deliveries", "delivery.accepted"),
            f"and {seen('surveys.deliveries', 'delivery.bounced'):,} bounced",
        ),
        ("customers", "answers", "collector", done.answers, f"{done.comments:,} with a comment"),
        ("collector", "surveys.answers", "scorer", seen("surveys.answers"), f"with {done.amended:,} changed"),
        ("scorer", "nps.scores", "dashboards", seen("nps.scores"), "score updates"),
        (
            "alerter", "followups.detractors", "support", seen("followups.detractors", "case.opened"),
            f"cases, {_duration(to_case)} later" if to_case is not None else "cases",
        ),
    )  # fmt: skip
    table = Table.grid(padding=(0, 1), expand=True)
    table.add_column(justify="right", style="bold", no_wrap=True)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(justify="right", style="bold cyan", min_width=7, no_wrap=True)
    table.add_column(style="dim", ratio=1, no_wrap=True, overflow="ellipsis")
    for here, topic, there, count, words in rows:
        table.add_row(here, f"─{topic:─^20}─▶", there, f"{count:,}", words)
    return table


def _duration(seconds: float) -> str:
    return f"{1_000 * seconds:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _score(figures: Figures, most_regions: int) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    score = figures.score
    if not score or score["nps"] is None:
        table.add_row(Text("nobody has answered yet", style="dim"))
        return table
    table.add_row(Text("everybody", style="bold"), bar(score), Text(score_in_words(score), style="bold"))
    for region in _telling(figures.regions, most_regions):
        table.add_row(region["value"], bar(region), score_in_words(region))
    table.add_row("", Text(f"{'−100':<{BAR_WIDTH // 2 - 1}}0{'+100':>{BAR_WIDTH // 2}}", style="dim"), "")
    return table


def bar(score: Mapping[str, Any]) -> Text:
    """The interval as a line with the score as a dot, from −100 to 100."""
    places = [" "] * BAR_WIDTH
    places[BAR_WIDTH // 2] = "┊"
    for place in range(_place(score["low"]), _place(score["high"]) + 1):
        places[place] = "─"
    places[_place(score["nps"])] = "●"
    return Text("".join(places), style="dim" if score["held_back"] else "cyan")


def _place(points: float) -> int:
    return round((points + 100) / 200 * (BAR_WIDTH - 1))


def _telling(regions: list[Mapping[str, Any]], most: int) -> list[Mapping[str, Any]]:
    """The best and the worst, of those with answers enough."""
    enough = [region for region in regions if not region["held_back"] and region["nps"] is not None]
    if len(enough) <= most:
        return enough
    return [*enough[: most - most // 2], *enough[len(enough) - most // 2 :]]


def _links(links: Mapping[str, str]) -> Table:
    table = Table.grid(padding=(0, 2))
    for title, address in links.items():
        # A link that is clicked as a whole, however narrow the terminal.
        table.add_row(title, Text(address, style=f"link {address}", overflow="fold"))
    table.add_row("", Text("Ctrl-C ends everything.", style="dim"))
    return table
