"""What is known of an order: folded from its events, in whatever order and however often they come."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from heapq import nsmallest

from services.dispatcher.domain.last_write_wins import Registers, Value, earliest, moment_of, stamp_of, take_in, text_of
from services.dispatcher.domain.reasons import Reason
from shared.contracts import orders
from shared.contracts.orders import OrderEvent

WHOLE_ORDER = ""
"""Stands for the shipment of a delivery that names none: everything arrived."""

STOP_REASONS: Mapping[str, Reason] = {
    orders.CANCELLED: Reason.ORDER_CANCELLED,
    orders.REFUNDED: Reason.ORDER_REFUNDED,
    orders.RETURNED: Reason.ORDER_RETURNED,
}
"""What ends an order's life, and the reason it gives for not asking about it."""

SHIPMENTS_KEPT = 1_000
CATEGORIES_KEPT = 20


@dataclass(frozen=True, slots=True)
class Order:
    """Facts of one order. It holds nothing that tells who the person is but ``customer_id``.

    ``happened`` has the earliest moment of each event type but ``order.delivered``, ``delivered`` the earliest
    delivery of each shipment. ``details`` are registers: customer_id, promised_at, country, region, tier, amount,
    currency, product, categories, sales_channel, attributes.
    """

    order_id: str
    first_event_at: datetime | None = None
    happened: Mapping[str, datetime] = field(default_factory=dict)
    delivered: Mapping[str, datetime] = field(default_factory=dict)
    shipments: int = 1
    details: Registers = field(default_factory=dict)

    @property
    def customer_id(self) -> str:
        return text_of(self.details, "customer_id") or ""

    @property
    def product(self) -> str | None:
        """The name of the first item."""
        return text_of(self.details, "product")

    @property
    def promised_at(self) -> datetime | None:
        promised = text_of(self.details, "promised_at")
        return None if promised is None else moment_of(int(promised))

    @property
    def delivered_at(self) -> datetime | None:
        """When the last of all its shipments arrived; None while one is missing."""
        whole = self.delivered.get(WHOLE_ORDER)
        parts = nsmallest(self.shipments, (at for name, at in self.delivered.items() if name != WHOLE_ORDER))
        return earliest(whole, parts[-1] if len(parts) == self.shipments else None)

    @property
    def ordered_at(self) -> datetime | None:
        """When it was placed, or the first that was heard of it."""
        return self.happened.get(orders.PLACED, self.first_event_at)

    def stopped_by(self, stops: tuple[str, ...]) -> Reason | None:
        """The reason of the first of ``stops`` (such as ``order.cancelled``) that happened to it."""
        stopped = [(self.happened[stop], stop) for stop in stops if stop in self.happened]
        return STOP_REASONS[min(stopped)[1]] if stopped else None

    def milestone(self, name: str) -> datetime | None:
        """When ``order.placed`` … ``order.delivered`` happened, or delivery was promised for (``order.promised``)."""
        if name == orders.DELIVERED:
            return self.delivered_at
        return self.promised_at if name == "order.promised" else self.happened.get(name)


def fold(order: Order, event_type: str, event: OrderEvent) -> Order:
    """``order`` after ``event``. Folding the same events in any order, any number of times, gives the same order."""
    at = event.occurred_at
    happened, delivered = order.happened, order.delivered
    if event_type == orders.DELIVERED:
        shipment = WHOLE_ORDER if event.shipment is None else event.shipment.id
        delivered = _first_kept({**delivered, shipment: earliest(delivered.get(shipment), at) or at})
    else:
        happened = {**happened, event_type: earliest(happened.get(event_type), at) or at}
    return replace(
        order,
        first_event_at=earliest(order.first_event_at, at),
        happened=happened,
        delivered=delivered,
        shipments=max(order.shipments, 1 if event.shipment is None else event.shipment.of),
        details=take_in(order.details, _details(event), at),
    )


def without_attributes(order: Order) -> Order:
    """A shop may write anything into the attributes, so nothing of them outlives the person's erasure."""
    return replace(order, details={name: entry for name, entry in order.details.items() if name != "attributes"})


def _first_kept(delivered: Mapping[str, datetime]) -> Mapping[str, datetime]:
    if len(delivered) <= SHIPMENTS_KEPT:
        return delivered
    return dict(nsmallest(SHIPMENTS_KEPT, delivered.items(), key=lambda entry: (entry[1], entry[0])))


def _details(event: OrderEvent) -> dict[str, Value | None]:
    customer = event.customer
    named = next((item.name for item in event.items if item.name), None)
    categories = sorted({item.category for item in event.items if item.category})[:CATEGORIES_KEPT]
    return {
        "customer_id": customer.id,
        # Of one width, so that of two promises made at one moment the later is the greater text.
        "promised_at": None if event.promised_at is None else f"{stamp_of(event.promised_at):018d}",
        "country": customer.country,
        "region": customer.region,
        "tier": customer.tier,
        "amount": None if event.total is None else str(event.total.amount),
        "currency": None if event.total is None else event.total.currency,
        "product": named,
        "categories": categories or None,
        "sales_channel": event.channel,
        "attributes": dict(event.attributes) or None,
    }
