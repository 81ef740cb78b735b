"""The basic types events are made of: identifiers, times, scores, segments, money."""

import re
import unicodedata
from datetime import datetime
from decimal import Decimal
from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
)

from shared.moments import in_utc, parse_moment
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


def _storable(value: str) -> str:
    if UNSTORABLE.search(value):
        raise ValueError("contains U+0000 or a lone surrogate, which cannot be stored; remove it")
    return value


def _printable(value: str) -> str:
    if CONTROL_CHARACTERS.search(value):
        raise ValueError("contains a control character; remove it")
    return value


def _label(value: str) -> str:
    """In NFC: ``São Paulo`` is one region, whether it is written with one character for ã or with two."""
    if value.isascii() and value.isprintable():
        return value
    label = unicodedata.normalize("NFC", _printable(value))
    if len(label) > MAX_LABEL:
        raise ValueError(f"has more than {MAX_LABEL} characters once normalized to NFC")
    return label


def _instant(value: object) -> datetime:
    """Of text and datetimes only: a bare number could be seconds or milliseconds since any epoch."""
    if isinstance(value, str):
        return parse_moment(value)
    if isinstance(value, datetime):
        return in_utc(value)
    raise ValueError("must be an RFC 3339 time with an offset, such as 2026-11-01T09:30:00-03:00")


RULES_OF_CHARACTERS = frozenset((_storable, _printable))
"""Without control characters and lone surrogates there is nothing for these to find."""

RULES_OF_TEXT = RULES_OF_CHARACTERS | {_label}
"""In ASCII without control characters there is nothing for these to find or to change."""

RULES_OF_TIME = frozenset((_instant,))
"""These take text or a time, and give a time in UTC. Orders have another (``orders.py``)."""

Text = Annotated[str, AfterValidator(_storable)]
Identifier = Annotated[str, StringConstraints(min_length=1, max_length=MAX_IDENTIFIER), AfterValidator(_printable)]
Label = Annotated[str, StringConstraints(min_length=1, max_length=MAX_LABEL), AfterValidator(_label)]
ShortText = Annotated[str, StringConstraints(max_length=500), AfterValidator(_storable)]
Comment = Annotated[str, StringConstraints(max_length=MAX_COMMENT), AfterValidator(_storable)]
Instant = Annotated[datetime, BeforeValidator(_instant)]
"""A point in time: RFC 3339 with an offset when written, UTC once read."""

Score = Annotated[int, Field(ge=SCORES[0], le=SCORES[-1])]
"""The answer to "how likely are you to recommend us?", 0 (not at all) to 10 (extremely)."""


AMOUNT_PATTERN = r"^-?[0-9]{1,15}(\.[0-9]{1,4})?$"
"""As a JSON Schema says it."""

_AMOUNT = re.compile(AMOUNT_PATTERN)


def _decimal_string(value: object) -> object:
    if isinstance(value, str):
        if not _AMOUNT.fullmatch(value):
            raise ValueError('must be a decimal string such as "159.90", with at most 4 decimal places')
        return Decimal(value)
    if isinstance(value, Decimal):
        return value
    raise ValueError('must be a decimal string such as "159.90"; a JSON number can lose cents')


RULES_OF_AMOUNTS = frozenset((_decimal_string,))
"""These take text that AMOUNT_PATTERN describes, and give its decimal."""

Amount = Annotated[
    Decimal,
    # Before the validator, so that pydantic checks it in Rust: behind it, that would take as long as all the rest.
    Field(max_digits=19, decimal_places=4, allow_inf_nan=False),
    BeforeValidator(_decimal_string),
    PlainSerializer(lambda amount: f"{amount:f}", return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": AMOUNT_PATTERN}),
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

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)
