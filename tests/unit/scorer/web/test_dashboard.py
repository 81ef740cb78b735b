"""What the dashboard shows of much: the beginning of a long comment, both ends of a long list of segments."""

import pytest

from services.scorer.queries.scores import Compared
from services.scorer.web import words
from services.scorer.web.dashboard import SEGMENTS_DRAWN, best_and_worst
from shared.nps import Counts, net_promoter_score


@pytest.mark.parametrize("comment", ["", "Short.", "x" * words.COMMENT_SHOWN])
def test_a_comment_of_usual_length_is_shown_whole(comment: str) -> None:
    assert words.beginning(comment) == comment


def test_a_long_comment_is_cut_between_words_where_it_has_some() -> None:
    assert words.beginning("again and again " * 50).rstrip("…").split()[-1] in ("again", "and")
    assert words.beginning("x" * 5_000) == "x" * (words.COMMENT_SHOWN - 50) + "…"
    assert words.beginning("Hm: " + "x" * 5_000).startswith("Hm: xxx")


def compared(best_first: int, held_back: int = 0) -> list[Compared]:
    """So many with answers enough, best first, then so many with too few."""
    few = net_promoter_score(Counts(1, 0, 0))
    return [
        Compared(f"region:{number}", str(number), net_promoter_score(Counts(100 - number, 0, number)), False, None)
        for number in range(best_first)
    ] + [Compared(f"region:few {number}", f"few {number}", few, True, None) for number in range(held_back)]


def test_of_a_long_list_the_best_and_the_worst_are_drawn() -> None:
    drawn = [one.value for one in best_and_worst(compared(40, held_back=5))]
    assert drawn == [str(number) for number in (*range(10), *range(30, 40))]


def test_those_with_too_few_answers_are_drawn_where_there_is_room() -> None:
    assert best_and_worst(compared(3, held_back=2)) == compared(3, held_back=2)
    drawn = best_and_worst(compared(18, held_back=9))
    assert len(drawn) == SEGMENTS_DRAWN and [one.held_back for one in drawn[-2:]] == [True, True]
