"""The live view in a terminal: empty and full, wide and narrow."""

from datetime import UTC, datetime

import pytest
from rich.console import Console

from shared.nps import Counts, net_promoter_score
from tools.demo.live_view import BAR_WIDTH, Snapshot, bar, render, summary_line
from tools.demo.observations import Activity, Observations


def score(promoters: int, passives: int, detractors: int, value: str = "") -> dict[str, object]:
    found = net_promoter_score(Counts(promoters=promoters, passives=passives, detractors=detractors))
    n = found.counts.n
    return {"nps": found.nps, "low": found.low, "high": found.high, "n": n, "held_back": n < 10, "value": value}


def snapshot(observations: Observations) -> Snapshot:
    done = Activity(events=400, orders=123, mails=90, answers=45, amended=4, comments=12, scanned=6, unsubscribed=3)
    now = datetime(2026, 3, 1, 12, tzinfo=UTC)
    key = f"/sign-in?next=/#key=hb_{'x' * 43}"
    links = {
        "dashboard": f"http://127.0.0.1:18003{key}",
        "support inbox": f"http://127.0.0.1:18004{key}",
        "customers' mail": "http://127.0.0.1:18020/",
    }
    return Snapshot(now, 30.2, done, observations, links)


def full() -> Observations:
    observations = Observations(score=score(30, 8, 7))
    observations.record_counts.update({("orders", "order.placed"): 1_234, ("followups.detractors", "case.opened"): 17})
    observations.record_counts["followups.detractors", "case.closed"] = 2
    observations.regions = [
        score(20, 2, 1, "Seoul"),
        score(12, 5, 3, "SP"),
        score(1, 0, 2, "Wales"),
        score(3, 2, 9, "BA"),
    ]
    observations.seconds_to_case.extend([0.4, 0.6, 9.0])
    return observations


def drawn(shown: Snapshot, width: int, height: int = 24) -> str:
    console = Console(width=width, force_terminal=True, color_system=None)
    with console.capture() as capture:
        console.print(render(shown, height))
    return capture.get()


@pytest.mark.parametrize("width", [80, 100, 140])
def test_it_shows_each_arrow_with_its_count(width: int) -> None:
    text = drawn(snapshot(full()), width)
    for words in (
        "orders",
        "surveys.sends",
        "surveys.answers",
        "nps.scores",
        "followups.detractors",
        "1,234",
        "17",
        "600 ms later",
    ):
        assert words in text
    assert "NPS +51" in text and "Seoul" in text and "BA" in text
    assert "Wales" not in text  # too few answers
    assert all(len(row) <= width for row in text.splitlines())
    assert "…" not in text


@pytest.mark.parametrize("height", [20, 21, 22, 24])
def test_it_fits_a_terminal_with_few_lines(height: int) -> None:
    rows = drawn(snapshot(full()), 80, height).splitlines()
    assert len(rows) <= height
    assert "everybody" in "".join(rows) and "Ctrl-C" in rows[-1]


def test_it_says_so_before_anything_happened() -> None:
    assert "no answers yet" in drawn(snapshot(Observations()), 100)
    assert "no NPS yet" in summary_line(snapshot(Observations()))


def test_the_typical_time_to_a_case_is_the_median() -> None:
    assert full().typical_seconds_to_case == 0.6


@pytest.mark.parametrize(
    ("counts", "place"), [((0, 0, 50), 0), ((50, 0, 0), BAR_WIDTH - 1), ((20, 10, 20), BAR_WIDTH // 2)]
)
def test_the_dot_stands_where_the_score_is(counts: tuple[int, int, int], place: int) -> None:
    assert bar(score(*counts)).plain[place] == "●"
