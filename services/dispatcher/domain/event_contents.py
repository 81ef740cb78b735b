"""What an event said, as a digest: an id that is used again for something else is told from a duplicate by it."""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b

import orjson
from pydantic.main import IncEx

from shared.contracts.cloudevents import Message
from shared.contracts.identity import uuid_text
from shared.contracts.orders import Customer, Item, OrderEvent
from shared.contracts.requests import SurveyRequested
from shared.contracts.types import Contract

# What describes the person or is free text: it may be worded better when an event is sent again, and a digest of it
# would be kept for as long as the decision is.
_LEFT_OUT: Mapping[type[Contract], IncEx] = {
    OrderEvent: {"customer": {"email", "phone", "name"}, "attributes": True},
    SurveyRequested: {"reason"},
}


def content_digest(event_type: str, body: OrderEvent | SurveyRequested) -> str:
    """What an event says, without what describes the person or is free text: UUID-shaped, 16 bytes of BLAKE2b.

    Two events with one id are the same event if theirs are equal.
    """
    said = said_plainly(body) if isinstance(body, OrderEvent) else None
    return _digest(event_type, as_json(body) if said is None else said)


def as_json(body: OrderEvent | SurveyRequested) -> bytes:
    """What the digest is of."""
    return body.__pydantic_serializer__.to_json(body, exclude=_LEFT_OUT[type(body)], exclude_defaults=True)


def said_plainly(event: OrderEvent) -> bytes | None:
    """``as_json`` in half of its time; None if there is a quantity that may be written in several ways."""
    body: dict[str, object] = {"order_id": event.order_id, "occurred_at": event.occurred_at}
    who = event.customer
    body["customer"] = _given({"id": who.id}, who, _OF_CUSTOMER)
    if event.total is not None:
        body["total"] = {"amount": f"{event.total.amount:f}", "currency": event.total.currency}
    if event.items:
        items = [_item_plainly(item) for item in event.items]
        if None in items:
            return None
        body["items"] = items
    if event.promised_at is not None:
        body["promised_at"] = event.promised_at
    if event.shipment is not None:
        shipment = event.shipment
        body["shipment"] = {"id": shipment.id} if shipment.of is None else {"id": shipment.id, "of": shipment.of}
    if event.channel is not None:
        body["channel"] = event.channel
    return orjson.dumps(body, option=orjson.OPT_UTC_Z)


def _item_plainly(item: Item) -> dict[str, object] | None:
    said = _given({}, item, _OF_ITEM)
    if (quantity := item.quantity) != 1:
        if not isinstance(quantity, float) or not quantity.is_integer() or quantity > _LARGEST_QUANTITY:
            return None
        said["quantity"] = quantity
    if item.price is not None:
        said["price"] = f"{item.price:f}"
    return said


def _given(said: dict[str, object], part: Customer | Item, names: Sequence[str]) -> dict[str, object]:
    for name in names:
        if (value := getattr(part, name)) is not None:
            said[name] = value
    return said


_LARGEST_QUANTITY = 1e6
_OF_ITEM = ("sku", "name", "category")
_OF_CUSTOMER = ("locale", "timezone", "country", "region", "tier", "first_order_at")


def _digest(event_type: str, said: bytes) -> str:
    return uuid_text(blake2b(b"%b %b" % (event_type.encode(), said), digest_size=16).hexdigest())


def used_again(
    received: Iterable[tuple[Message, str, str | None]], known: Mapping[str, str | None]
) -> list[tuple[Message, str]]:
    """The events whose id is that of an earlier event that says something else, each with the reason to reject it.

    Each is given with its decision id and the digest of what it says. ``known`` has the digest of each event decided
    before, by decision id; None where it was not kept.
    """
    first = dict(known)
    rejected = []
    for message, name, digest in received:
        before = first.setdefault(name, digest)
        if before is not None and before != digest:
            rejected.append((message, _USED_AGAIN))
    return rejected


_USED_AGAIN = (
    "its ce_id is that of an earlier event of this ce_source that says something else; "
    "give every event an id of its own, and repeat the id only to send the same event again"
)
