"""A link is ours or it is nothing, and an answer link cannot unsubscribe."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.links import BrokenLink, Links

LINKS = Links(secret="s" * 32, collector_url="https://survey.example/")


def test_a_link_leads_back_to_its_send() -> None:
    url = LINKS.answer_url("5d0b-1")
    assert url.startswith("https://survey.example/s/")
    assert LINKS.send_id_of(url.rpartition("/")[2], "answer") == "5d0b-1"


def test_one_purpose_does_not_open_the_other() -> None:
    with pytest.raises(BrokenLink):
        LINKS.send_id_of(LINKS.token("answer", "a"), "unsubscribe")


def test_another_secret_does_not_open_it() -> None:
    with pytest.raises(BrokenLink, match="incomplete or was altered"):
        Links(secret="t" * 32, collector_url="").send_id_of(LINKS.token("answer", "a"), "answer")


@given(st.text(max_size=80))
def test_nothing_made_up_opens_anything(token: str) -> None:
    with pytest.raises(BrokenLink):
        LINKS.send_id_of(token, "answer")


@given(st.integers(0, 200), st.characters(codec="ascii"))
@example(position=41, letter="+")  # base64 reads + as -
@example(position=-1, letter="B")  # and passes over the last bits
def test_one_changed_letter_closes_it(position: int, letter: str) -> None:
    token = LINKS.token("answer", "5d0b6a52-3f0e-5d0b-9a3c-1d7a7a3e6b51")
    position %= len(token)
    changed = token[:position] + letter + token[position + 1 :]
    if changed != token:
        with pytest.raises(BrokenLink):
            LINKS.send_id_of(changed, "answer")
