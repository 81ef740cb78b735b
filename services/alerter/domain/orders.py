"""What is known about an order: folded from its events, in any order and any number of times."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from shared.contracts import orders
from shared.contracts.followups import MAX_PRODUCTS
from shared.contracts.orders import Money, OrderEvent
from shared.contracts.types import Amount
from shared.moments import stamp_of
from shared.order_facts import WHOLE_ORDER, OrderFacts, fold, status_after

_MAX_PRODUCT_LENGTH = 200

_EVENT_TYPES = {status_after(event_type): event_type for event_type in orders.TYPES}


class Description(BaseModel):
    """The contents of an order, from the latest event that describes them, at ``at``."""

    model_config = ConfigDict(frozen=True)

    at: datetime
    products: tuple[str, ...] = ()
    amount: Amount | None = None
    currency: str | None = None
    promised_at: datetime | None = None


class Order(BaseModel):
    """An order as it is stored.

    ``happened`` has the earliest time of each status but ``delivered``; ``parcels`` the earliest delivery of each
    shipment, of ``parcels_in_all``, with WHOLE_ORDER for a delivery without a shipment.
    """

    model_config = ConfigDict(frozen=True)

    order_id: str
    happened: dict[str, datetime] = {}
    parcels: dict[str, datetime] = {}
    parcels_in_all: int = 1
    description: Description | None = None

    @property
    def facts(self) -> OrderFacts:
        happened = {_EVENT_TYPES[status]: at for status, at in self.happened.items()}
        # Written before deliveries of whole orders were stored in parcels: it means one, unless there are parcels.
        whole = happened.pop(orders.DELIVERED, None)
        delivered = {WHOLE_ORDER: whole} if whole is not None and not self.parcels else self.parcels
        return OrderFacts(happened=happened, delivered=delivered, shipments=self.parcels_in_all)

    @property
    def placed_at(self) -> datetime | None:
        return self.happened.get("placed")

    @property
    def delivered_at(self) -> datetime | None:
        """When the last shipment was delivered; None while one is still on its way."""
        return self.facts.delivered_at

    @property
    def status(self) -> str | None:
        """The latest status; "delivered" only once all shipments are."""
        return self.facts.status

    @property
    def began_at(self) -> datetime:
        """The earliest known time of anything about it."""
        described = [] if self.description is None else [self.description.at]
        return min([*self.happened.values(), *self.parcels.values(), *described])

    @property
    def told_at(self) -> datetime:
        """The latest known time of anything about it."""
        described = [] if self.description is None else [self.description.at]
        return max([*self.happened.values(), *self.parcels.values(), *described])

    @property
    def total(self) -> Money | None:
        if self.description is None or self.description.amount is None or self.description.currency is None:
            return None
        return Money(amount=self.description.amount, currency=self.description.currency)


def with_event(order: Order | None, event_type: str, event: OrderEvent) -> Order:
    """The order after one more of its events."""
    known = order or Order(order_id=event.order_id)
    facts = fold(known.facts, event_type, event)
    described, description = _description(event), known.description
    if described is not None and (description is None or _rank(described) > _rank(description)):
        description = described
    return known.model_copy(
        update={
            "happened": {status_after(kind): at for kind, at in facts.happened.items()},
            "parcels": dict(facts.delivered),
            "parcels_in_all": facts.shipments,
            "description": description,
        }
    )


def _description(event: OrderEvent) -> Description | None:
    if not event.items and event.total is None and event.promised_at is None:
        return None
    named = [item.name or item.sku for item in event.items]
    products = tuple(name[:_MAX_PRODUCT_LENGTH] for name in named if name)[:MAX_PRODUCTS]
    return Description(
        at=event.occurred_at,
        products=products,
        amount=None if event.total is None else event.total.amount,
        currency=None if event.total is None else event.total.currency,
        promised_at=event.promised_at,
    )


def _rank(description: Description) -> tuple[int, bytes]:
    return stamp_of(description.at), description.model_dump_json().encode()
