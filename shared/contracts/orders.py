"""``orders``: what happened to an order, as the shop's backend tells it."""

from typing import Annotated

from pydantic import Field, StringConstraints

from shared.contracts.types import Amount, Contract, Identifier, Instant, Label, ShortText

TOPIC = "orders"

PLACED = "order.placed"
PAID = "order.paid"
SHIPPED = "order.shipped"
DELIVERED = "order.delivered"
CANCELLED = "order.cancelled"
REFUNDED = "order.refunded"
RETURNED = "order.returned"

TYPES = (PLACED, PAID, SHIPPED, DELIVERED, CANCELLED, REFUNDED, RETURNED)
"""Every type of event, in the order of an order's life."""

Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]


class Customer(Contract):
    """The person who ordered. Only ``id`` is required: an order from which nothing can be sent is still an order."""

    id: Identifier
    email: ShortText | None = None
    phone: ShortText | None = None
    name: ShortText | None = None
    locale: Label | None = None
    timezone: Label | None = None
    country: Label | None = None
    region: Label | None = None
    tier: Label | None = None
    first_order_at: Instant | None = None


class Money(Contract):
    amount: Amount
    currency: Currency


class Item(Contract):
    sku: ShortText | None = None
    name: ShortText | None = None
    category: Label | None = None
    quantity: Annotated[int, Field(ge=0)] = 1
    price: Amount | None = None


class Shipment(Contract):
    """Which parcel this is, and of how many: an order is delivered when all its parcels are."""

    id: Identifier
    of: Annotated[int, Field(ge=1, le=1_000)] = 1


class OrderEvent(Contract):
    """The body of every ``order.*`` event; which of them it is stands in ``ce_type``."""

    order_id: Identifier
    occurred_at: Instant
    customer: Customer
    total: Money | None = None
    items: Annotated[list[Item], Field(max_length=500)] = []
    promised_at: Instant | None = None
    shipment: Shipment | None = None
    channel: Label | None = None
    attributes: Annotated[dict[Label, ShortText], Field(max_length=50)] = {}
