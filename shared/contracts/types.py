"""The basic types events are made of: identifiers, times, scores, segments, money."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
)

from shared.nps import SCORES

UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
"""PostgreSQL cannot store U+0000 in text, and lone surrogates cannot be encoded as UTF-8."""

CONTROL_CHARACTERS = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
"""Identifiers and labels end up in keys, headers and log lines, which these would break."""

MAX_IDENTIFIER = 200
MAX_LABEL = 100
MAX_COMMENT = 5_000
MAX_SEGMENT_VALUES = 20
"""Of one dimension."""

_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = datetime(2200, 1, 1, tzinfo=UTC)


def _storable(value: str) -> str:
    if UNSTORABLE.search(value):
        raise ValueError("contains U+0000 or a lone surrogate, which cannot be stored; remove it")
    return value


def _printable(value: str) -> str:
    if CONTROL_CHARACTERS.search(value):
        raise ValueError("contains a control character; remove it")
    return value


def _utc(value: datetime) -> datetime:
    """The same instant in UTC. ValueError outside 1970–2200, where arithmetic with offsets may overflow."""
    try:
        instant = value.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("is outside the years 1970 to 2200; send the actual time") from error
    if not _EARLIEST <= instant < _LATEST:
        raise ValueError("is outside the years 1970 to 2200; send the actual time")
    return instant


Text = Annotated[str, AfterValidator(_storable)]
Identifier = Annotated[str, StringConstraints(min_length=1, max_length=MAX_IDENTIFIER), AfterValidator(_printable)]
Label = Annotated[str, StringConstraints(min_length=1, max_length=MAX_LABEL), AfterValidator(_printable)]
ShortText = Annotated[str, StringConstraints(max_length=500), AfterValidator(_storable)]
Comment = Annotated[str, StringConstraints(max_length=MAX_COMMENT), AfterValidator(_storable)]
Instant = Annotated[AwareDatetime, AfterValidator(_utc)]
"""A point in time: RFC 3339 with an offset when written, UTC once read."""

Score = Annotated[int, Field(ge=SCORES[0], le=SCORES[-1])]
"""The answer to "how likely are you to recommend us?", 0 (not at all) to 10 (extremely)."""


def _decimal_string(value: object) -> object:
    if isinstance(value, int | float):
        raise ValueError('must be a decimal string such as "159.90"; a JSON number can lose cents')
    return value


Amount = Annotated[
    Decimal,
    BeforeValidator(_decimal_string),
    Field(max_digits=19, decimal_places=4, allow_inf_nan=False, strict=False),
    PlainSerializer(str, return_type=str, when_used="json"),
]
"""Money as a decimal string such as "159.90"; never a float."""

SegmentValue = Annotated[
    Label | Annotated[list[Label], Field(min_length=1, max_length=MAX_SEGMENT_VALUES)],
    Field(union_mode="left_to_right"),
]
Segments = Annotated[dict[Label, SegmentValue], Field(max_length=40)]
"""Dimension to one value, or to several if an order has several (its product categories)."""


class Contract(BaseModel):
    """The body of an event. Strict when written; unknown fields are ignored when read.

    Reading goes through ``shared.contracts.cloudevents.read``, which relaxes only ``extra``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
