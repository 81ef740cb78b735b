"""A link is ours or it is nothing; what mail programs do to links does not close one; an answer link cannot
unsubscribe."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.links import BrokenLink, Links, Purpose

LINKS = Links(secrets=["s" * 32], collector_url="https://survey.example/")
SEND = "5d0b6a52-3f0e-5d0b-9a3c-1d7a7a3e6b51"
EARLIER: dict[Purpose, str] = {
    "answer": f"{SEND}.wXhv-oD83R-8kI0B3Ta1TDFTDgA",
    "unsubscribe": f"{SEND}.wkKycSYh9bjJr480QGo2Cg7fTQ8",
}
TAILS = [
    *(".", ")", ").", ">", "&gt;", ",", ";", '"', "'", "”", "»", "…", "!", "*", "]"),
    *(" ", "\n", "\u200b", "/", "/x", "=", "Thanks"),
]


def test_a_link_leads_back_to_its_send() -> None:
    url = LINKS.answer_url("5d0b-1")
    assert url.startswith("https://survey.example/s/5d0b-1.")
    assert LINKS.send_id_of(url.rpartition("/")[2], "answer") == "5d0b-1"


def test_one_purpose_does_not_open_the_other() -> None:
    for token in (LINKS.token("answer", SEND), EARLIER["answer"]):
        with pytest.raises(BrokenLink):
            LINKS.send_id_of(token, "unsubscribe")


def test_another_secret_does_not_open_it() -> None:
    for token in (LINKS.token("answer", SEND), EARLIER["answer"]):
        with pytest.raises(BrokenLink, match="incomplete or was altered"):
            Links(secrets=["t" * 32], collector_url="").send_id_of(token, "answer")


@pytest.mark.parametrize("purpose", ["answer", "unsubscribe"])
def test_a_link_of_an_earlier_version_still_opens(purpose: Purpose) -> None:
    assert LINKS.send_id_of(EARLIER[purpose], purpose) == SEND


@given(st.lists(st.booleans(), min_size=80, max_size=80))
def test_a_change_of_case_does_not_close_it(upper: list[bool]) -> None:
    token = LINKS.token("answer", SEND)
    changed = "".join(letter.upper() if up else letter for letter, up in zip(token, upper, strict=False))
    assert LINKS.send_id_of(changed, "answer") == SEND


@pytest.mark.parametrize("tail", TAILS)
def test_what_was_written_behind_it_does_not_close_it(tail: str) -> None:
    for token in (LINKS.token("answer", SEND), EARLIER["answer"]):
        assert LINKS.send_id_of(token + tail, "answer") == SEND


@pytest.mark.parametrize("front", ["<", "(", "“", "«", "/", "http://shop.example/s/"])
def test_what_was_written_in_front_of_it_does_not_close_it(front: str) -> None:
    for token in (LINKS.token("answer", SEND), EARLIER["answer"]):
        assert LINKS.send_id_of(front + token, "answer") == SEND


@pytest.mark.parametrize("gap", [" ", "\r\n", "=\r\n", "\t", "\xad", "\u200b"])
@given(st.integers(0, 62))
def test_a_line_break_in_it_does_not_close_it(gap: str, position: int) -> None:
    token = LINKS.token("answer", SEND)
    assert LINKS.send_id_of(token[:position] + gap + token[position:], "answer") == SEND


@given(st.text(max_size=80))
def test_nothing_made_up_opens_anything(token: str) -> None:
    with pytest.raises(BrokenLink):
        LINKS.send_id_of(token, "answer")


def test_a_very_long_text_is_refused_at_once() -> None:
    with pytest.raises(BrokenLink):
        LINKS.send_id_of("a" * 1_000_000, "answer")


@given(st.integers(0, 62), st.characters(codec="ascii", min_codepoint=33, exclude_characters="="))
@example(position=62, letter="b")  # Base32 passes over the last bits.
def test_one_changed_letter_closes_it(position: int, letter: str) -> None:
    token = LINKS.token("answer", SEND)
    changed = token[:position] + letter + token[position + 1 :]
    if changed.lower() != token:
        with pytest.raises(BrokenLink):
            LINKS.send_id_of(changed, "answer")


@given(st.integers(0, 63), st.characters(codec="ascii", min_codepoint=33, exclude_characters="="))
@example(position=41, letter="+")  # Base64 reads + as -
@example(position=63, letter="B")  # and passes over the last bits.
def test_one_changed_letter_closes_an_earlier_one(position: int, letter: str) -> None:
    token = EARLIER["answer"]
    changed = token[:position] + letter + token[position + 1 :]
    if changed != token:
        with pytest.raises(BrokenLink):
            LINKS.send_id_of(changed, "answer")


@pytest.mark.parametrize("send_id", ["", "S-1", "a b", "a.b", "ü"])
def test_an_id_that_would_not_survive_a_mail_gets_no_link(send_id: str) -> None:
    with pytest.raises(ValueError, match="send_id"):
        LINKS.token("answer", send_id)


def test_links_outlive_a_new_secret_while_the_former_one_is_listed() -> None:
    token = LINKS.token("answer", "a1")
    rotated = Links(secrets=["t" * 32, "s" * 32], collector_url="")
    assert rotated.send_id_of(token, "answer") == "a1"
    with pytest.raises(BrokenLink):
        LINKS.send_id_of(rotated.token("answer", "a1"), "answer")
    with pytest.raises(BrokenLink):
        Links(secrets=["t" * 32], collector_url="").send_id_of(token, "answer")
