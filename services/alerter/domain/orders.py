"""What is known about an order: folded from its events, in any order and any number of times."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from pydantic import BaseModel, ConfigDict

from services.alerter.domain.customers import Customer, who_ordered
from shared.contracts import orders
from shared.contracts.followups import MAX_PRODUCTS
from shared.contracts.orders import Money, OrderEvent
from shared.order_facts import WHOLE_ORDER, OrderFacts, Sum, event_type_of, fold, status_after

_MAX_PRODUCT_LENGTH = 200


class Description(BaseModel):
    """The contents of an order, from the latest event that names them, at ``at``.

    What it costs and when it is promised stood here, too, before each of them was kept by itself.
    """

    model_config = ConfigDict(frozen=True)

    at: datetime
    products: tuple[str, ...] = ()
    amount: Decimal | None = None
    currency: str | None = None
    promised_at: datetime | None = None


@dataclass(frozen=True, slots=True, order=True)
class Promise:
    """``promised_at``, as said ``at`` that time."""

    at: datetime
    promised_at: datetime


class Order(BaseModel):
    """An order as it is stored.

    ``happened`` has the earliest time of each status but ``delivered``, and the latest of ``cancelled``; ``parcels``
    has the earliest delivery of each shipment, with WHOLE_ORDER for one without a shipment. ``parcels_in_all`` is how
    many there are, as said last at ``parcels_said_at``; ``cost`` and ``refund`` are what it costs and what was given
    back of it, and ``promise`` for when it is promised, as said last. ``customer`` is who ordered, by what this order's
    events say and no other's; None for an order of a release that did not keep it.
    """

    model_config = ConfigDict(frozen=True)

    order_id: str
    happened: dict[str, datetime] = {}
    parcels: dict[str, datetime] = {}
    parcels_in_all: int = 1
    parcels_said_at: datetime | None = None
    cost: Sum | None = None
    refund: Sum | None = None
    promise: Promise | None = None
    description: Description | None = None
    customer: Customer | None = None

    @property
    def facts(self) -> OrderFacts:
        happened = {event_type_of(status): at for status, at in self.happened.items()}
        # Written before deliveries of whole orders were stored in parcels: it means one, unless there are parcels.
        whole = happened.pop(orders.DELIVERED, None)
        delivered = {WHOLE_ORDER: whole} if whole is not None and not self.parcels else self.parcels
        return OrderFacts(
            happened=happened,
            delivered=delivered,
            shipments=self.parcels_in_all,
            shipments_at=self.parcels_said_at,
            total=self.cost or self.cost_described,
            refund=self.refund,
        )

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
        cost = self.facts.total
        return None if cost is None else Money(amount=Decimal(cost.amount), currency=cost.currency)

    @property
    def promised_at(self) -> datetime | None:
        promise = self.promise or self.promise_described
        return None if promise is None else promise.promised_at

    @property
    def cost_described(self) -> Sum | None:
        described = self.description
        if described is None or described.amount is None or described.currency is None:
            return None
        return Sum(described.at, f"{described.amount:f}", described.currency)

    @property
    def promise_described(self) -> Promise | None:
        described = self.description
        if described is None or described.promised_at is None:
            return None
        return Promise(described.at, described.promised_at)


def with_event(order: Order | None, event_type: str, event: OrderEvent, at: datetime | None = None) -> Order:
    """The order after one more of its events, whose details were said ``at`` that time, by default when it happened."""
    known = order or Order(order_id=event.order_id)
    facts = fold(known.facts, event_type, event, at)
    at = at or event.occurred_at
    promises = [
        known.promise or known.promise_described,
        None if event.promised_at is None else Promise(at, event.promised_at),
    ]
    described, description = _description(event, at), known.description
    if described is not None and (description is None or _rank(described) > _rank(description)):
        description = described
    return known.model_copy(
        update={
            "happened": {status_after(kind): moment for kind, moment in facts.happened.items()},
            "parcels": dict(facts.delivered),
            "parcels_in_all": facts.shipments,
            "parcels_said_at": facts.shipments_at,
            "cost": facts.total,
            "refund": facts.refund,
            "promise": max((promise for promise in promises if promise is not None), default=None),
            "description": description,
            "customer": who_ordered(known.customer, event, at),
        }
    )


def _description(event: OrderEvent, at: datetime) -> Description | None:
    named = [item.name or item.sku for item in event.items]
    products = tuple(name[:_MAX_PRODUCT_LENGTH] for name in named if name)[:MAX_PRODUCTS]
    return Description(at=at, products=products) if products else None


def _rank(description: Description) -> tuple[datetime, tuple[str, ...]]:
    return description.at, description.products
