"""``orders``: what happened to an order, as reported by the shop's backend."""

from typing import Annotated, Final, Literal, get_args

from pydantic import Field, StringConstraints

from shared.contracts.types import Amount, Contract, Identifier, Instant, Label, ShortText

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

Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]


class Customer(Contract):
    """The person who ordered. Only ``id`` is required; without an address, the order counts but gets no survey."""

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
    """Which shipment this is, out of how many; an order is delivered when all its shipments are."""

    id: Identifier
    of: Annotated[int, Field(ge=1, le=1_000)] = 1


class OrderEvent(Contract):
    """The body of every ``order.*`` event; ``ce_type`` says which of them it is."""

    order_id: Identifier
    occurred_at: Instant
    customer: Customer
    total: Money | None = None
    items: Annotated[list[Item], Field(max_length=500)] = []
    promised_at: Instant | None = None
    shipment: Shipment | None = None
    channel: Label | None = None
    attributes: Annotated[dict[Label, ShortText], Field(max_length=50)] = {}
