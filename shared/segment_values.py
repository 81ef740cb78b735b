"""How the value of a segment is written, whoever says it: an order, an answer posted directly, a routing rule.

``br`` and ``BR`` are one country, ``São Paulo`` is one region in NFC and NFD, and blanks around a value are not part
of it: otherwise one segment would be counted as two.
"""

from collections.abc import Mapping

from shared.contracts.orders import country, said
from shared.contracts.types import SegmentValue


def as_recorded(segments: Mapping[str, SegmentValue]) -> dict[str, SegmentValue]:
    """The segments as an order's are recorded; a blank value is not said, and of several that are the same, one
    stays."""
    recorded: dict[str, SegmentValue] = {}
    for dimension, value in segments.items():
        if isinstance(value, str):
            one = value_as_recorded(dimension, value)
            if one is not None:
                recorded[dimension] = one
        else:
            several = [value_as_recorded(dimension, each) for each in value]
            if known := list(dict.fromkeys(filter(None, several))):
                recorded[dimension] = known
    return recorded


def value_as_recorded(dimension: str, text: str) -> str | None:
    """One value; None if there is nothing to see."""
    label = said(text)
    return country(label) if label is not None and dimension == "country" else label
