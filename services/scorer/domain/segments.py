"""Segments as text: ``country:BR``, or ``everybody``."""

from collections.abc import Iterator

from shared.contracts.scores import EVERYBODY
from shared.contracts.types import SegmentValue

Segment = tuple[str, str]
"""A dimension and a value, such as ``("country", "BR")``."""

EVERYBODY_SEGMENT: Segment = ("", EVERYBODY)
"""Every answer's first segment. Dimensions in events are never empty, so this name is unique."""

EVERYBODY_ID = 0
"""The id of EVERYBODY_SEGMENT, in which every answer counts."""

MAX_DIMENSION = 300
"""Characters in a request; no dimension's name is longer."""


class BadSegment(ValueError):
    """Not a segment; the message says what is expected."""


def write_segment(segment: Segment) -> str:
    """``dimension:value``. A colon in the dimension's name becomes ``%3A``, so that the text is unambiguous."""
    if segment == EVERYBODY_SEGMENT:
        return EVERYBODY
    dimension, value = segment
    return f"{dimension.replace('%', '%25').replace(':', '%3A')}:{value}"


def read_segment(text: str) -> Segment:
    """The inverse of ``write_segment``. Raises BadSegment."""
    if text == EVERYBODY:
        return EVERYBODY_SEGMENT
    dimension, colon, value = text.partition(":")
    if not dimension or not colon or not value:
        raise BadSegment(f"segment is {text[:200]!r}; write a dimension and a value, such as country:BR, or everybody")
    return dimension.replace("%3A", ":").replace("%25", "%"), value


def flatten(segments: dict[str, SegmentValue]) -> Iterator[Segment]:
    """Each dimension with each of its values, in order; a value may come twice."""
    for dimension, value in segments.items():
        if isinstance(value, str):
            yield dimension, value
        else:
            for one in value:
                yield dimension, one
