"""Segments in writing: ``country:BR``, or ``everybody``."""

from collections.abc import Iterator

from shared.contracts.scores import EVERYBODY
from shared.contracts.types import SegmentValue

Segment = tuple[str, str]
"""A dimension and a value, such as ``("country", "BR")``."""

EVERYONE: Segment = ("", EVERYBODY)
"""Every answer's first segment. No dimension of an event can be empty, so nothing else is called this."""


EVERYBODY_ID = 0
"""The number of EVERYONE, in which every answer counts."""


class BadSegment(ValueError):
    """Not a segment; the message says how one is written."""


def write(segment: Segment) -> str:
    """``dimension:value``. A colon in the dimension's own name becomes ``%3A``, so that no two are written alike."""
    if segment == EVERYONE:
        return EVERYBODY
    dimension, value = segment
    return f"{dimension.replace('%', '%25').replace(':', '%3A')}:{value}"


def parse(text: str) -> Segment:
    """The inverse of ``write``. Raises BadSegment."""
    if text == EVERYBODY:
        return EVERYONE
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
