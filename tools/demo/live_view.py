"""The live view of the loop in a terminal: the count on each arrow, the score, and the URLs to open."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rich.console import Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from shared.contracts import answers, deliveries, followups, orders, scores, sends
from shared.nps import Counts, NetPromoterScore, rounded
from tools.demo.observations import DETRACTORS, Activity, Observations

BAR_WIDTH = 31
MAX_REGIONS = 4
HEIGHT_WITHOUT_REGIONS = 20


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything one view shows. ``links`` maps titles to URLs."""

    now: datetime
    days: float
    activity: Activity
    observations: Observations
    links: Mapping[str, str]


def summary_line(snapshot: Snapshot) -> str:
    """The same as one plain line."""
    activity, count = snapshot.activity, snapshot.observations.count
    return (
        f"Day {snapshot.days:.0f}: {activity.orders:,} orders, {count(sends.TOPIC, sends.SENT):,} sent, "
        f"{activity.mails:,} read, {activity.answers:,} answered, {score_in_words(snapshot.observations.score)}, "
        f"{count(DETRACTORS, followups.OPENED):,} detractor cases"
    )


def render(snapshot: Snapshot, height: int = 24) -> Group:
    """At most ``height`` lines at 80 columns, for heights from 20: a terminal would cut off the links at the end."""
    return Group(
        Panel(
            _loop(snapshot),
            title=f"Hearback · {snapshot.now:%d %B %Y} · day {snapshot.days:.0f}",
            subtitle=f"{snapshot.activity.scanned:,} emails opened by scanners, none of them counted",
            border_style="blue",
        ),
        Panel(
            _score(snapshot.observations, max(0, min(MAX_REGIONS, height - HEIGHT_WITHOUT_REGIONS))),
            title="How likely are they to recommend us?",
            border_style="blue",
        ),
        _links(snapshot.links),
    )


def score_in_words(score: Mapping[str, Any]) -> str:
    if not score or score["nps"] is None:
        return "no NPS yet"
    known = NetPromoterScore(nps=score["nps"], low=score["low"], high=score["high"], counts=Counts())
    if known.lopsided:
        interval = f"({rounded(known.low):.0f} to {rounded(known.high):.0f})"
    else:
        interval = f"± {rounded(known.margin):.0f}"
    return f"NPS {rounded(score['nps']):+.0f} {interval} (n {score['n']:,})".replace("-", "−")


def _loop(snapshot: Snapshot) -> Table:
    """One row per arrow, in the order of the loop."""
    activity, observations = snapshot.activity, snapshot.observations
    seen = observations.count
    to_case = observations.typical_seconds_to_case
    rows = (
        ("shop", orders.TOPIC, "dispatcher", seen(orders.TOPIC), f"from {activity.orders:,} orders"),
        ("dispatcher", sends.TOPIC, "courier", seen(sends.TOPIC, sends.SENT), "surveys due"),
        (
            "courier", "email", "customers", seen(deliveries.TOPIC, deliveries.ACCEPTED),
            f"and {seen(deliveries.TOPIC, deliveries.BOUNCED):,} bounced",
        ),
        ("customers", "answers", "collector", activity.answers, f"with {activity.comments:,} comments"),
        ("collector", answers.TOPIC, "scorer", seen(answers.TOPIC), f"with {activity.amended:,} amended"),
        ("scorer", scores.TOPIC, "dashboards", seen(scores.TOPIC), "score updates"),
        (
            "alerter", DETRACTORS, "support", seen(DETRACTORS, followups.OPENED),
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


def _score(observations: Observations, max_regions: int) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    score = observations.score
    if not score or score["nps"] is None:
        table.add_row(Text("no answers yet", style="dim"))
        return table
    table.add_row(Text("everybody", style="bold"), bar(score), Text(score_in_words(score), style="bold"))
    for region in _best_and_worst(observations.regions, max_regions):
        table.add_row(region["value"], bar(region), score_in_words(region))
    table.add_row("", Text(f"{'−100':<{BAR_WIDTH // 2 - 1}}0{'+100':>{BAR_WIDTH // 2}}", style="dim"), "")
    return table


def bar(score: Mapping[str, Any]) -> Text:
    """The interval as a line and the score as a dot, from −100 to 100."""
    places = [" "] * BAR_WIDTH
    places[BAR_WIDTH // 2] = "┊"
    for place in range(_column(score["low"]), _column(score["high"]) + 1):
        places[place] = "─"
    places[_column(score["nps"])] = "●"
    return Text("".join(places), style="dim" if score["held_back"] else "cyan")


def _column(points: float) -> int:
    return round((points + 100) / 200 * (BAR_WIDTH - 1))


def _best_and_worst(regions: list[Mapping[str, Any]], most: int) -> list[Mapping[str, Any]]:
    """The best and the worst of the regions with enough answers."""
    enough = [region for region in regions if not region["held_back"] and region["nps"] is not None]
    if len(enough) <= most:
        return enough
    return [*enough[: most - most // 2], *enough[len(enough) - most // 2 :]]


def _links(links: Mapping[str, str]) -> Table:
    table = Table.grid(padding=(0, 2))
    for title, address in links.items():
        # One clickable link, however narrow the terminal.
        table.add_row(title, Text(address, style=f"link {address}", overflow="fold"))
    table.add_row("", Text("Press Ctrl-C to stop.", style="dim"))
    return table
