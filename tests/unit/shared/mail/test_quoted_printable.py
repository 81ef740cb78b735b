"""What is encoded decodes to what it was, in short lines, whatever is filled in."""

import quopri

from hypothesis import given
from hypothesis import strategies as st

from shared.mail.quoted_printable import Frame, gap, quoted_printable

TEXTS = st.text(st.characters(exclude_characters="\x02\x03\r", exclude_categories=["Cs"]), max_size=200)


def decoded(encoded: str) -> str:
    assert encoded.isascii()
    assert all(len(line) <= 76 for line in encoded.split("\r\n"))
    return quopri.decodestring(encoded).decode().replace("\r\n", "\n")


@given(TEXTS)
def test_a_text_is_itself_again(text: str) -> None:
    assert decoded(quoted_printable(text)) == text


@given(st.lists(TEXTS, min_size=1, max_size=4), TEXTS, TEXTS)
def test_a_frame_with_its_gaps_filled_is_the_whole_text(around: list[str], first: str, second: str) -> None:
    names = ["first", "second", "first"][: len(around) - 1]
    frame = Frame("".join(text + gap(name) for text, name in zip(around, names, strict=False)) + around[-1])
    values = {"first": first, "second": second}
    whole = "".join(text + values[name] for text, name in zip(around, names, strict=False)) + around[-1]
    assert decoded(frame.filled(values)) == whole


def test_lines_of_any_length_before_and_after_a_gap_stay_short() -> None:
    for length in range(70, 80):
        frame = Frame("x" * length + gap("name") + "y" * length)
        assert decoded(frame.filled({"name": "z" * length})) == "x" * length + "z" * length + "y" * length
