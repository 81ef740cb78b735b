"""``orders``: what happened to an order, as reported by the shop's backend.

The models take what is written as the contract says. What a shop writes otherwise is adjusted first, field by field
(``shared.contracts.adjustments``): only the order's id, the time and the customer's id can cost an event its life.
"""

import unicodedata
from datetime import datetime
from typing import Annotated, Any, Final, Literal, get_args

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    GetJsonSchemaHandler,
    StringConstraints,
    WithJsonSchema,
)
from pydantic_core import CoreSchema

from shared.contracts.types import (
    CONTROL_CHARACTERS,
    MAX_IDENTIFIER,
    MAX_LABEL,
    UNSTORABLE,
    Amount,
    Contract,
)
from shared.moments import RFC_3339, RFC_3339_PATTERN, in_utc

TOPIC = "orders"

PLACED: Final = "order.placed"
PAID: Final = "order.paid"
SHIPPED: Final = "order.shipped"
DELIVERED: Final = "order.delivered"
CANCELLED: Final = "order.cancelled"
REFUNDED: Final = "order.refunded"
RETURNED: Final = "order.returned"

OrderEventType = Literal[
    "order.placed",
    "order.paid",
    "order.shipped",
    "order.delivered",
    "order.cancelled",
    "order.refunded",
    "order.returned",
]
TYPES: tuple[str, ...] = get_args(OrderEventType)
"""Every type of event, in the order of an order's life."""

MAX_TEXT = 500
MAX_ITEMS = 500
MAX_ATTRIBUTES = 50
MAX_SHIPMENTS = 1_000
"""Of one order."""

_INVISIBLE = "\u00ad\u200b\u200c\u200d\u2060\ufeff"
_SOMETHING_TO_SEE = r"[^\s" + "".join(rf"\u{ord(each):04x}" for each in _INVISIBLE) + "]"


def said(text: str) -> str | None:
    """The text without the blanks around it and in NFC; None if there is nothing to see, which means *not said*."""
    if text.isascii():
        return text.strip() or None
    text = unicodedata.normalize("NFC", text).strip()
    return text if text.strip(_INVISIBLE).strip() else None


def country(text: str) -> str:
    """A country's code in capitals: ``br`` is the same country as ``BR``. A longer name stays as it is."""
    return text.upper() if len(text) <= 3 and text.isascii() else text


def _short_enough(text: str | None, longest: int) -> str | None:
    if text is not None and len(text) > longest:
        raise ValueError(f"has more than {longest} characters once normalized to NFC")
    return text


def _said_label(value: str) -> str | None:
    if value.isascii() and value.isprintable():
        return value.strip() or None
    if CONTROL_CHARACTERS.search(value):
        raise ValueError("contains a control character; remove it")
    return _short_enough(said(value), MAX_LABEL)


def _said_text(value: str) -> str | None:
    if value.isascii() and value.isprintable():
        return value.strip() or None
    if UNSTORABLE.search(value):
        raise ValueError("contains U+0000 or a lone surrogate, which cannot be stored; remove it")
    return _short_enough(said(value), MAX_TEXT)


def _said_country(value: str) -> str | None:
    label = _said_label(value)
    return None if label is None else country(label)


def _identifier(value: str) -> str:
    if value.isascii() and value.isprintable() and not value.isspace():
        return value
    if CONTROL_CHARACTERS.search(value):
        raise ValueError("contains a control character; remove it")
    if value.isspace():
        raise ValueError("is blank")
    return value


def _attribute(value: str) -> str:
    if value.isascii() and value.isprintable():
        return value.strip()
    return _said_text(value) or ""


def _moment(value: object) -> datetime:
    if isinstance(value, str) and RFC_3339.fullmatch(value):
        return in_utc(datetime.fromisoformat(value))
    if isinstance(value, datetime):
        return in_utc(value)
    raise ValueError("is not an RFC 3339 time with an offset, such as 2026-11-01T09:30:00-03:00")


RULES_OF_SAID_TEXT = frozenset((_said_label, _said_text, _attribute))
"""In ASCII without control characters, these take the blanks around a text away. A blank one is another matter."""

RULES_OF_COUNTRIES = frozenset((_said_country,))
"""So do these, and then write it as ``country`` does."""

RULES_OF_IDENTIFIERS = frozenset((_identifier,))
"""In ASCII without control characters, these refuse a blank one, and change nothing."""

RULES_OF_TIME = frozenset((_moment,))
"""These take text or a time, and give a time in UTC."""


class _OrNotSaid:
    """In the schema: null, or one of these, says as much as nothing. The model has no need to know: adjusting the body
    leaves it out."""

    def __init__(self, *schemas: dict[str, Any]) -> None:
        self._schemas = schemas

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        schema = handler(core)
        known = [one for one in schema.get("anyOf", [schema]) if one != _NULL]
        return {"anyOf": [*known, _NULL, *self._schemas]}


class _NamesOfAttributes:
    """In the schema: a blank name says nothing, any other is one line of up to 100 characters."""

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        label = {"maxLength": MAX_LABEL, **_NO_CONTROL_CHARACTER}
        return {**handler(core), "propertyNames": {"anyOf": [{"not": {"pattern": _SOMETHING_TO_SEE}}, label]}}


_NULL = {"type": "null"}
_BLANK = {"type": "string", "pattern": r"^\s*$"}
_EMPTY_LIST = {"type": "array", "maxItems": 0}
_NO_CONTROL_CHARACTER = {"not": {"type": "string", "pattern": r"[\u0000-\u001f\u007f]"}}
_NO_NULL_CHARACTER = {"not": {"type": "string", "pattern": r"\u0000"}}
_LABEL_SCHEMA = WithJsonSchema({"type": "string", "maxLength": MAX_LABEL, **_NO_CONTROL_CHARACTER})
_TEXT_SCHEMA = WithJsonSchema({"type": "string", "maxLength": MAX_TEXT, **_NO_NULL_CHARACTER})

Id = Annotated[
    str,
    StringConstraints(min_length=1, max_length=MAX_IDENTIFIER),
    AfterValidator(_identifier),
    WithJsonSchema({"type": "string", "maxLength": MAX_IDENTIFIER, "pattern": r"\S", **_NO_CONTROL_CHARACTER}),
]
Moment = Annotated[
    datetime,
    BeforeValidator(_moment),
    WithJsonSchema({"type": "string", "format": "date-time", "pattern": RFC_3339_PATTERN}),
]
SaidLabel = Annotated[str, StringConstraints(max_length=MAX_LABEL), AfterValidator(_said_label), _LABEL_SCHEMA]
"""One line of up to 100 characters; None if it is blank. So are the two below."""
SaidText = Annotated[str, StringConstraints(max_length=MAX_TEXT), AfterValidator(_said_text), _TEXT_SCHEMA]
SaidCountry = Annotated[str, StringConstraints(max_length=MAX_LABEL), AfterValidator(_said_country), _LABEL_SCHEMA]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{3}$", to_upper=True)]
Quantity = Annotated[float, Field(ge=0, allow_inf_nan=False)]
AttributeName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=MAX_LABEL),
    AfterValidator(_identifier),
    # Beside a pattern, which says whose values are looked at, pydantic leaves out what else is said of a name.
    WithJsonSchema({"pattern": _SOMETHING_TO_SEE}),
]
AttributeValue = Annotated[
    str,
    StringConstraints(max_length=MAX_TEXT),
    AfterValidator(_attribute),
    WithJsonSchema({"type": ["string", "null"], "maxLength": MAX_TEXT, **_NO_NULL_CHARACTER}),
]


class Customer(Contract):
    """The person who ordered. Only ``id`` is required; without an address, the order counts but gets no survey.

    A field that is absent, null or blank is not said: what earlier events said about it stays.
    """

    id: Id
    """The same for every order of this person. It decides who is asked, and how often; never one id for all guests."""
    email: SaidText | None = None
    """The address a survey is sent to."""
    phone: SaidText | None = None
    """Shown to the staff who follow up a bad answer; nothing is sent to it."""
    name: SaidText | None = None
    """As the person is greeted, such as ``Ana``."""
    locale: SaidLabel | None = None
    """The language of the survey, as in BCP 47: ``pt-BR``, ``nb``, ``zh-Hant``. Without one, the campaign's."""
    timezone: SaidLabel | None = None
    """A name of the IANA time zone database, such as ``America/Sao_Paulo``."""
    country: SaidCountry | None = None
    """The segment ``country``: a code of ISO 3166-1, such as ``BR``, in capitals or not, or always the same name."""
    region: SaidLabel | None = None
    """The segment ``region``: a state, province or city, always written the same, such as ``SP``."""
    tier: SaidLabel | None = None
    """The segment ``tier``: the customer's rank with the shop, such as ``gold``."""
    first_order_at: Annotated[Moment | None, _OrNotSaid(_BLANK)] = None
    """When this person first ordered, if before the shop's first event. Its month is the segment ``cohort``."""


class Money(Contract):
    """An amount and its currency."""

    amount: Amount
    """A decimal string such as ``159.90``: up to 15 digits, then up to 4 decimal places after a point."""
    currency: Currency
    """Three letters of ISO 4217, such as ``BRL``, in capitals or not."""


class Item(Contract):
    """One line of the order."""

    sku: SaidText | None = None
    """The shop's number for the product."""
    name: SaidText | None = None
    """The product's name; the first one is the product a survey asks about."""
    category: SaidLabel | None = None
    """The segment ``category``, such as ``toys``; an order counts in each of its categories, up to 20."""
    quantity: Annotated[Quantity | None, _OrNotSaid(_BLANK)] = 1
    """How many, or how much of it; a fraction for what is weighed."""
    price: Annotated[Amount | None, _OrNotSaid(_BLANK)] = None
    """A decimal string such as ``159.90``, in the currency of the total."""


class Shipment(Contract):
    """Which shipment this is, out of how many; an order is delivered when all its shipments are."""

    id: Id
    """The same in each event about this shipment, and another for each other shipment of the order."""
    of: Annotated[Annotated[int, Field(ge=1, le=MAX_SHIPMENTS)] | None, _OrNotSaid(_BLANK)] = None
    """How many shipments the order has; the latest event that says so counts, so that parcels may be merged or split.
    Never said: one."""


class OrderEvent(Contract):
    """The body of every ``order.*`` event; ``ce_type`` says which of them it is.

    What this schema allows is read as it is sent. In an optional field, anything else is converted, cut or left out,
    and told in the dispatcher's decision about the event. ``order_id``, ``occurred_at`` and ``customer.id`` must be
    right.
    """

    order_id: Id
    """The same in each event about this order. A string, because a number can lose digits."""
    occurred_at: Moment
    """When it happened, with a UTC offset. Not when the event was published, and not in the future."""
    customer: Customer
    """Who ordered. If events of an order disagree, the latest one counts."""
    total: Money | None = None
    """What the whole order costs, for the segment ``order_value``; in ``order.refunded``, what was given back so far:
    less than the order's total is a partial refund, after which the customer is still asked."""
    items: Annotated[list[Item], Field(max_length=MAX_ITEMS), _OrNotSaid()] = Field(default_factory=list)
    """What was ordered."""
    promised_at: Annotated[Moment | None, _OrNotSaid(_BLANK)] = None
    """The moment by which delivery is promised, for the segment ``delivery`` and campaigns after ``order.promised``."""
    shipment: Shipment | None = None
    """Which shipment the event is about; without one, ``order.delivered`` is about all that was ordered."""
    channel: SaidLabel | None = None
    """The segment ``sales_channel``: where it was ordered, such as ``web`` or ``app``."""
    attributes: Annotated[
        dict[AttributeName, AttributeValue],
        Field(max_length=MAX_ATTRIBUTES),
        _NamesOfAttributes(),
        _OrNotSaid(_EMPTY_LIST),
    ] = Field(default_factory=dict)
    """Anything else, as text, for the audiences of campaigns (``attributes.vip``). ``experiment`` is also a segment."""


def occurred_at(body: Contract) -> datetime:
    """When the shop says that it happened; TypeError for the body of another topic."""
    if not isinstance(body, OrderEvent):
        raise TypeError(f"{type(body).__name__} is not an order event")
    return body.occurred_at
