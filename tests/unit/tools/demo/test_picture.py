"""The picture of the loop in a terminal, from nothing to full, wide and narrow."""

from datetime import UTC, datetime

import pytest
from rich.console import Console

from shared.nps import Counts, net_promoter_score
from tools.demo.picture import BAR_WIDTH, Scene, bar, line, picture
from tools.demo.watch import Figures
from tools.demo.world import Done


def score(promoters: int, passives: int, detractors: int, value: str = "") -> dict[str, object]:
    found = net_promoter_score(Counts(promoters, passives, detractors))
    n = found.counts.n
    return {"nps": found.nps, "low": found.low, "high": found.high, "n": n, "held_back": n < 10, "value": value}


def scene(figures: Figures) -> Scene:
    done = Done(events=400, orders=123, mails=90, answers=45, amended=4, comments=12, scanned=6, unsubscribed=3)
    now = datetime(2026, 3, 1, 12, tzinfo=UTC)
    key = f"/sign-in?next=/#key=hb_{'x' * 43}"
    links = {
        "dashboard": f"http://127.0.0.1:18003{key}",
        "support inbox": f"http://127.0.0.1:18004{key}",
        "customers' mail": "http://127.0.0.1:18020/",
    }
    return Scene(now, 30.2, done, figures, links)


def full() -> Figures:
    figures = Figures(score=score(30, 8, 7))
    figures.seen.update({("orders", "order.placed"): 1_234, ("followups.detractors", "case.opened"): 17})
    figures.seen["followups.detractors", "case.closed"] = 2
    figures.regions = [score(20, 2, 1, "Seoul"), score(12, 5, 3, "SP"), score(1, 0, 2, "Wales"), score(3, 2, 9, "BA")]
    figures.seconds_to_case.extend([0.4, 0.6, 9.0])
    return figures


def drawn(shown: Scene, width: int, height: int = 24) -> str:
    console = Console(width=width, force_terminal=True, color_system=None)
    with console.capture() as capture:
        console.print(picture(shown, height))
    return capture.get()


@pytest.mark.parametrize("width", [80, 100, 140])
def test_it_shows_each_arrow_with_its_count(width: int) -> None:
    text = drawn(scene(full()), width)
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
    assert "Wales" not in text  # too few to speak of
    assert all(len(row) <= width for row in text.splitlines())
    assert "…" not in text


@pytest.mark.parametrize("height", [20, 21, 22, 24])
def test_no_line_is_cut_off_at_the_end_of_a_low_terminal(height: int) -> None:
    rows = drawn(scene(full()), 80, height).splitlines()
    assert len(rows) <= height
    assert "everybody" in "".join(rows) and "Ctrl-C" in rows[-1]


def test_before_anything_happened_it_says_so() -> None:
    assert "nobody has answered yet" in drawn(scene(Figures()), 100)
    assert "no NPS yet" in line(scene(Figures()))


def test_half_of_what_took_long_does_not_hide_what_usually_is() -> None:
    assert full().typical_seconds_to_case == 0.6


@pytest.mark.parametrize(
    ("counts", "place"), [((0, 0, 50), 0), ((50, 0, 0), BAR_WIDTH - 1), ((20, 10, 20), BAR_WIDTH // 2)]
)
def test_the_dot_stands_where_the_score_is(counts: tuple[int, int, int], place: int) -> None:
    assert bar(score(*counts)).plain[place] == "●"
