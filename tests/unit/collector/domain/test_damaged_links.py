"""A link's score is found whatever a mail program did to it, and no other number is taken for one."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.collector.domain.damaged_links import score_in_link
from shared.nps import SCORES

TOKEN = "5d0b6a52-3f0e-5d0b-9a3c-1d7a7a3e6b51.abcdefghijklmnopqrstuvwxyz"


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize(
    "damaged",
    [
        "?score={}",
        "?SCORE={}",
        "?score={}.",
        "?score={})",
        "?score={}%22",
        "?score={}%3E",
        "?score={}&gt;",
        "?score={} ",
        "?score={}Thanks",
        "?score=3D{}",
        "?score=3d{}",
        "?score=%3D{}",
        "?score%3D{}",
        "%3Fscore%3D{}",
        "?score= {}",
        "?score=%20{}",
        "?lang=pt&amp;score={}",
        "?lang=pt&score={}",
    ],
)
def test_a_damaged_score_is_read(damaged: str, score: int) -> None:
    assert score_in_link(TOKEN + damaged.format(score)) == score


@pytest.mark.parametrize("damaged", ["?score\x10", "?score%10", "?score%10.", "?score%2510", "%3Fscore%10"])
def test_ten_decoded_once_too_often_is_ten(damaged: str) -> None:
    """``=10`` is a character in quoted-printable, ``=9"`` is none: only promoters were lost."""
    assert score_in_link(TOKEN + damaged) == 10


@pytest.mark.parametrize(
    "other",
    [
        "",
        "?score=",
        "?score",
        "?score=11",
        "?score=100",
        "?score=-1",
        "?score=9.5",
        "?score=x",
        "?underscore=9",
        "?n=9",
    ],
)
def test_nothing_else_is_a_score(other: str) -> None:
    assert score_in_link(TOKEN + other) is None


@given(st.text(max_size=60))
@example("%")
@example("?score=" + "9" * 5_000)
def test_anything_can_be_read(link: str) -> None:
    score = score_in_link(link)
    assert score is None or score in SCORES
