"""Adjusts the body of an order event to its contract: a field that decides nothing must not cost an order its life.

Only for events from outside: our own services publish what the contracts say. What is converted without loss is not an
adjustment: blanks around a text, a blank or null field (it is not said), the case of a country's code, NFC.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import Literal

from shared.contracts import orders
from shared.contracts.types import AMOUNT_PATTERN, CONTROL_CHARACTERS, MAX_IDENTIFIER, MAX_LABEL, UNSTORABLE
from shared.moments import RFC_3339, end_of, parse_date, parse_moment, start_of

Change = Literal["converted", "cut", "left_out"]


@dataclass(frozen=True, slots=True, order=True)
class Adjustment:
    """A field of an event that was not read as it was sent. ``field`` is a path of the contract's names, without the
    position in a list or the names a shop chose, so that there are few of them: ``items.price``, ``attributes``."""

    field: str
    change: Change


Adjustments = tuple[Adjustment, ...]
Adjust = Callable[[Mapping[str, object]], tuple[dict[str, object], Adjustments]]

_CENT_FRACTION = Decimal("0.0001")
_AMOUNT = re.compile(AMOUNT_PATTERN)
_CURRENCY = re.compile(r"[A-Za-z]{3}")
# A point or a comma before the last one or two, or four and more digits, is a decimal one; before three it could be
# either. With both, the last is the decimal one.
_DECIMAL_COMMA = re.compile(r"-?[0-9]+,([0-9]{1,2}|[0-9]{4,})")
_GROUPED = re.compile(r"-?[0-9]{1,3}(?:([., ’'\u00a0\u202f])[0-9]{3})(?:\1[0-9]{3})*(?:([.,])[0-9]+)?")


def adjusted_order(body: Mapping[str, object]) -> tuple[dict[str, object], Adjustments]:
    """The body with each optional field as the contract wants it, or without it; and what was adjusted, sorted.

    ``order_id``, ``occurred_at`` and ``customer.id`` are left to the contract.
    """
    told: set[Adjustment] = set()
    shop_zone = _zone(body.get("occurred_at"))
    adjusted: dict[str, object] = {
        "order_id": body.get("order_id"),
        "occurred_at": _Field("occurred_at", told).moment_or_as_sent(body.get("occurred_at")),
        "customer": _customer(body.get("customer"), shop_zone, told),
        "total": _total(body.get("total"), told),
        "items": _items(body.get("items"), told),
        "promised_at": _Field("promised_at", told).moment(body.get("promised_at"), shop_zone, of_day=end_of),
        "shipment": _shipment(body.get("shipment"), told),
        "channel": _Field("channel", told).text(body.get("channel"), MAX_LABEL, one_line=True),
        "attributes": _attributes(body.get("attributes"), told),
    }
    # What is missing must be told as missing.
    return {name: value for name, value in adjusted.items() if name in body and value is not None}, tuple(sorted(told))


@dataclass(frozen=True, slots=True)
class _Field:
    """Reads the values of one field, and tells what it does to them."""

    name: str
    told: set[Adjustment]

    def converted(self) -> None:
        self.told.add(Adjustment(self.name, "converted"))

    def cut(self) -> None:
        self.told.add(Adjustment(self.name, "cut"))

    def left_out(self) -> None:
        self.told.add(Adjustment(self.name, "left_out"))

    def text(self, value: object, longest: int, *, one_line: bool, whole: bool = False) -> str | None:
        """One that is too long is cut; if only the ``whole`` is of use, such as an address, it is left out."""
        if value is None:
            return None
        if not isinstance(value, str):
            value = _number_as_text(value)
            if value is None:
                self.left_out()
                return None
            self.converted()
        unwanted = CONTROL_CHARACTERS if one_line else UNSTORABLE
        if unwanted.search(value):
            value = unwanted.sub(lambda found: "�" if found[0] >= "\ud800" else " ", value)
            self.converted()
        too_long = len(value) > longest
        value = orders.said(value)
        if value is None or not (too_long or len(value) > longest):
            return value
        if whole:
            self.left_out()
            return None
        self.cut()
        return orders.said(value[:longest])

    def moment(
        self, value: object, zone: tzinfo | None, *, of_day: Callable[[date, tzinfo], datetime]
    ) -> str | datetime | None:
        """A time without an offset is taken in ``zone``, as is a day, of which ``of_day`` gives the moment."""
        if _is_not_said(value):
            return None
        if isinstance(value, str):
            try:
                if RFC_3339.fullmatch(value):
                    return parse_moment(value)
                day = parse_date(value.strip())
                moment = parse_moment(value, zone=zone) if day is None or zone is None else of_day(day, zone)
            except (ValueError, OverflowError):
                pass
            else:
                self.converted()
                return moment
        self.left_out()
        return None

    def moment_or_as_sent(self, value: object) -> object:
        """A field that decides: if it cannot be read, the contract says why."""
        if not isinstance(value, str) or RFC_3339.fullmatch(value):
            return value
        try:
            moment = parse_moment(value)
        except ValueError:
            return value
        self.converted()
        return moment

    def amount(self, value: object) -> Decimal | None:
        if _is_not_said(value):
            return None
        if isinstance(value, str) and _AMOUNT.fullmatch(value):
            return Decimal(value)
        amount = _amount(value)
        if amount is None:
            self.left_out()
        else:
            self.converted()
        return amount

    def at_most(self, entries: list[object], most: int) -> list[object]:
        if len(entries) > most:
            self.cut()
        return entries[:most]


def _customer(value: object, zone: tzinfo | None, told: set[Adjustment]) -> object:
    if not isinstance(value, Mapping):
        return value

    def text(name: str, longest: int, *, one_line: bool = False, whole: bool = False) -> str | None:
        return _Field(f"customer.{name}", told).text(value.get(name), longest, one_line=one_line, whole=whole)

    country = text("country", MAX_LABEL, one_line=True, whole=True)
    first_order_at = _Field("customer.first_order_at", told).moment(value.get("first_order_at"), zone, of_day=start_of)
    identified = {"id": value["id"]} if "id" in value else {}
    return identified | {
        "email": text("email", orders.MAX_TEXT, whole=True),
        "phone": text("phone", orders.MAX_TEXT, whole=True),
        "name": text("name", orders.MAX_TEXT),
        "locale": text("locale", MAX_LABEL, one_line=True, whole=True),
        "timezone": text("timezone", MAX_LABEL, one_line=True, whole=True),
        "country": None if country is None else orders.country(country),
        "region": text("region", MAX_LABEL, one_line=True),
        "tier": text("tier", MAX_LABEL, one_line=True),
        "first_order_at": first_order_at,
    }


def _total(value: object, told: set[Adjustment]) -> dict[str, object] | None:
    """Half of it is of no use: an amount without its currency, or the other way round, is left out."""
    if value is None:
        return None
    whole = _Field("total", told)
    if not isinstance(value, Mapping):
        whole.left_out()
        return None
    amount = _Field("total.amount", told).amount(value.get("amount"))
    written = value.get("currency")
    currency = written.strip() if isinstance(written, str) else ""
    if not _CURRENCY.fullmatch(currency):
        if written is not None and currency != "":
            _Field("total.currency", told).left_out()
        currency = ""
    elif currency != written:
        _Field("total.currency", told).converted()
    if amount is None or not currency:
        whole.left_out()
        return None
    return {"amount": amount, "currency": currency.upper()}


def _items(value: object, told: set[Adjustment]) -> list[object]:
    field = _Field("items", told)
    if value is None:
        return []
    if not isinstance(value, list):
        field.left_out()
        return []
    items: list[object] = []
    for entry in field.at_most(value, orders.MAX_ITEMS):
        if isinstance(entry, Mapping):
            items.append(_item(entry, told))
        else:
            field.left_out()
    return items


def _item(value: Mapping[str, object], told: set[Adjustment]) -> dict[str, object]:
    return {
        "sku": _Field("items.sku", told).text(value.get("sku"), orders.MAX_TEXT, one_line=False),
        "name": _Field("items.name", told).text(value.get("name"), orders.MAX_TEXT, one_line=False),
        "category": _Field("items.category", told).text(value.get("category"), MAX_LABEL, one_line=True),
        "quantity": _quantity(value.get("quantity", 1), _Field("items.quantity", told)),
        "price": _Field("items.price", told).amount(value.get("price")),
    }


def _quantity(value: object, field: _Field) -> float | None:
    if _is_not_said(value):
        return None
    quantity = _number(value)
    if quantity is None or quantity < 0:
        field.left_out()
        return None
    if isinstance(value, str):
        field.converted()
    return quantity


def _shipment(value: object, told: set[Adjustment]) -> dict[str, object] | None:
    if value is None:
        return None
    whole, field = _Field("shipment", told), _Field("shipment.id", told)
    if isinstance(value, str | int) and not isinstance(value, bool):
        value = {"id": value}
        whole.converted()
    if not isinstance(value, Mapping):
        whole.left_out()
        return None
    identifier = value.get("id")
    if isinstance(identifier, int) and not isinstance(identifier, bool):
        identifier = str(identifier)
        field.converted()
    if (
        not isinstance(identifier, str)
        or not identifier
        or identifier.isspace()
        or len(identifier) > MAX_IDENTIFIER
        or CONTROL_CHARACTERS.search(identifier)
    ):
        whole.left_out()
        return None
    return {"id": identifier, "of": _shipments(value.get("of"), _Field("shipment.of", told))}


def _shipments(value: object, field: _Field) -> int | None:
    if _is_not_said(value):
        return None
    number = _number(value)
    if number is None or not number.is_integer() or not 1 <= number <= orders.MAX_SHIPMENTS:
        field.left_out()
        return None
    if isinstance(value, str):
        field.converted()
    return int(number)


def _attributes(value: object, told: set[Adjustment]) -> dict[str, str]:
    field = _Field("attributes", told)
    if value is None or value == []:  # how PHP writes an empty object
        return {}
    if not isinstance(value, Mapping):
        field.left_out()
        return {}
    attributes: dict[str, str] = {}
    for name in field.at_most(list(value), orders.MAX_ATTRIBUTES):
        if isinstance(name, str) and not orders.said(name):
            continue  # a blank name says nothing
        if not isinstance(name, str) or len(name) > MAX_LABEL or CONTROL_CHARACTERS.search(name):
            field.left_out()
            continue
        given = value[name]
        if isinstance(given, bool):
            field.converted()
            given = "true" if given else "false"
        text = field.text(given, orders.MAX_TEXT, one_line=False)
        if text is not None:
            attributes[name] = text
    return attributes


def _is_not_said(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _number_as_text(value: object) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return str(value)


def _number(value: object) -> float | None:
    """A number, or one written as text; None for anything else, or one that is not finite."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _amount(value: object) -> Decimal | None:
    """Money that is not written as the contract says; None if it cannot be understood beyond doubt."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    # A float's shortest text is what its JSON said, unlike its exact value.
    written = value.strip() if isinstance(value, str) else repr(value)
    try:
        amount = Decimal(_with_a_point(written))
        if not _AMOUNT.fullmatch(f"{amount:f}"):
            amount = amount.quantize(_CENT_FRACTION, ROUND_HALF_EVEN)
    except InvalidOperation:
        return None
    plain = f"{amount:f}"
    return Decimal(plain) if _AMOUNT.fullmatch(plain) else None


def _with_a_point(written: str) -> str:
    """With a decimal point, and without what groups the thousands: ``1.234,56`` and ``1,234.56`` become ``1234.56``."""
    if _DECIMAL_COMMA.fullmatch(written):
        return written.replace(",", ".")
    grouped = _GROUPED.fullmatch(written)
    if grouped is None:
        return written
    separator, point = grouped.groups()
    several = written.count(separator) > 1
    if separator == point or (point is None and separator == "," and not several):
        return ""
    if separator == "." and point is None and not several:
        return written
    whole, _, fraction = written.rpartition(point) if point else (written, "", "")
    return re.sub(r"[^0-9-]", "", whole) + (f".{fraction}" if fraction else "")


def _zone(occurred_at: object) -> tzinfo | None:
    """The offset in which the shop writes its times."""
    if not isinstance(occurred_at, str) or not RFC_3339.fullmatch(occurred_at):
        return None
    try:
        return datetime.fromisoformat(occurred_at).tzinfo
    except ValueError:  # a day that the month does not have
        return None
