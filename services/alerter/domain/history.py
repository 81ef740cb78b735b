"""What is known of a customer beside the answer: how to reach them, what they ordered, when they were asked.

Events come in any order and more than once; folding them gives the same result whatever the order.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from shared.contracts import orders
from shared.contracts.orders import Money, OrderEvent
from shared.contracts.sends import SurveySent
from shared.contracts.types import Amount

MOST_PRODUCTS = 20
_LONGEST_PRODUCT = 200

_STATUSES: Mapping[str, str] = {
    orders.PLACED: "placed",
    orders.PAID: "paid",
    orders.SHIPPED: "shipped",
    orders.DELIVERED: "delivered",
    orders.CANCELLED: "cancelled",
    orders.REFUNDED: "refunded",
    orders.RETURNED: "returned",
}
"""Event type to the status it brings, in the order of an order's life: at the same moment the later one counts."""
_RANK = {status: rank for rank, status in enumerate(_STATUSES.values())}


class _Known(BaseModel):
    model_config = ConfigDict(frozen=True)


def customer_key(customer_id: str) -> UUID:
    """Stands for a customer in our tables, so that an erasure can be remembered without keeping the shop's id."""
    return UUID(bytes=hashlib.sha256(b"hearback.customer." + customer_id.encode()).digest()[:16])


class Customer(_Known):
    """How to reach a customer. ``told`` says for each detail when it was told, so that the newest stays."""

    customer_id: str
    name: str | None = None
    email: str | None = None
    phone: str | None = None
    locale: str | None = None
    timezone: str | None = None
    told: dict[str, datetime] = {}

    def with_details(self, at: datetime, **details: str | None) -> "Customer":
        """With those of ``details`` that are given and were not told anew since; of two told at once the greater."""
        newer = {
            name: value
            for name, value in details.items()
            if value and ((at, value) > (self.told[name], getattr(self, name)) if name in self.told else True)
        }
        if not newer:
            return self
        return self.model_copy(update={**newer, "told": {**self.told, **dict.fromkeys(newer, at)}})


def from_order(customer: Customer, event: OrderEvent) -> Customer:
    who = event.customer
    return customer.with_details(
        event.occurred_at, name=who.name, email=who.email, phone=who.phone, locale=who.locale, timezone=who.timezone
    )


def from_send(customer: Customer, send: SurveySent) -> Customer:
    address = send.recipient.address
    return customer.with_details(
        send.sent_at,
        name=send.recipient.name,
        email=address if send.channel == "email" else None,
        phone=address if send.channel == "sms" else None,
        locale=send.locale,
        timezone=send.recipient.timezone,
    )


class Description(_Known):
    """What an order is about, as the newest event that says anything of it described it at ``at``."""

    at: datetime
    products: tuple[str, ...] = ()
    amount: Amount | None = None
    currency: str | None = None
    promised_at: datetime | None = None


class Order(_Known):
    """An order's life: ``happened`` is status to the last time it was told; ``delivered`` by parcel in ``parcels``."""

    order_id: str
    happened: dict[str, datetime] = {}
    parcels: dict[str, datetime] = {}
    parcels_in_all: int = 1
    description: Description | None = None

    @property
    def delivered_at(self) -> datetime | None:
        """When the last parcel came; None while one is still on its way."""
        if self.parcels:
            complete = len(self.parcels) >= self.parcels_in_all
            return max(self.parcels.values()) if complete else None
        return self.happened.get("delivered")

    @property
    def status(self) -> str | None:
        """The last thing that happened; it is "delivered" only once all parcels are."""
        times = dict(self.happened)
        delivered = self.delivered_at
        if delivered is None:
            times.pop("delivered", None)
        else:
            times["delivered"] = delivered
        return max(times, key=lambda status: (times[status], _RANK[status]), default=None)

    @property
    def told_at(self) -> datetime:
        """The time of the newest event."""
        return max(self.happened.values())

    @property
    def total(self) -> Money | None:
        if self.description is None or self.description.amount is None or self.description.currency is None:
            return None
        return Money(amount=self.description.amount, currency=self.description.currency)


def with_event(order: Order | None, event_type: str, event: OrderEvent) -> Order:
    """The order after one more of its events."""
    known = order or Order(order_id=event.order_id)
    status = _STATUSES[event_type]
    happened = {**known.happened, status: _later(known.happened.get(status), event.occurred_at)}
    parcels, in_all = known.parcels, known.parcels_in_all
    if status == "delivered" and event.shipment is not None:
        parcels = {**parcels, event.shipment.id: _later(parcels.get(event.shipment.id), event.occurred_at)}
        in_all = max(in_all, event.shipment.of)
    told = _description(event)
    description = known.description
    if told is not None and (description is None or _order_of(told) > _order_of(description)):
        description = told
    return known.model_copy(
        update={"happened": happened, "parcels": parcels, "parcels_in_all": in_all, "description": description}
    )


class Survey(_Known):
    """A survey sent to a customer."""

    send_id: str
    campaign: str
    channel: str
    sent_at: datetime
    order_id: str | None = None
    product: str | None = None


def survey(send: SurveySent) -> Survey:
    return Survey(
        send_id=send.send_id,
        campaign=send.campaign,
        channel=send.channel,
        sent_at=send.sent_at,
        order_id=send.order_id,
        product=send.product,
    )


def _description(event: OrderEvent) -> Description | None:
    if not event.items and event.total is None and event.promised_at is None:
        return None
    named = [item.name or item.sku for item in event.items]
    products = tuple(name[:_LONGEST_PRODUCT] for name in named if name)[:MOST_PRODUCTS]
    return Description(
        at=event.occurred_at,
        products=products,
        amount=None if event.total is None else event.total.amount,
        currency=None if event.total is None else event.total.currency,
        promised_at=event.promised_at,
    )


def _order_of(description: Description) -> tuple[datetime, str]:
    """The newest wins; of two told at the same moment always the same one, whichever came first."""
    return description.at, description.model_dump_json()


def _later(known: datetime | None, told: datetime) -> datetime:
    return told if known is None or told > known else known
