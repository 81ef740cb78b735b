"""Segments as text and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scorer.domain.segments import EVERYBODY_SEGMENT, BadSegment, flatten, read_segment, write_segment

LABELS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=100)


@given(LABELS, LABELS)
def test_what_is_written_is_read_again(dimension: str, value: str) -> None:
    assert read_segment(write_segment((dimension, value))) == (dimension, value)


def test_two_segments_never_read_the_same() -> None:
    assert len({write_segment(segment) for segment in [("a:b", "c"), ("a", "b:c"), ("a%3Ab", "c")]}) == 3


def test_everybody() -> None:
    assert read_segment(write_segment(EVERYBODY_SEGMENT)) == EVERYBODY_SEGMENT
    assert write_segment(EVERYBODY_SEGMENT) == "everybody"


@pytest.mark.parametrize("text", ["", "country", ":BR", "country:", "everyone"])
def test_nonsense_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(BadSegment, match="country:BR"):
        read_segment(text)


def test_several_values_are_several_segments() -> None:
    assert list(flatten({"country": "BR", "category": ["toys", "books"]})) == [
        ("country", "BR"),
        ("category", "toys"),
        ("category", "books"),
    ]
