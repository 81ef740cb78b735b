"""What is known about an order: folded from its events, in any order and any number of times."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal, get_args

from services.dispatcher.domain.reasons import Reason
from shared import order_facts
from shared.contracts import orders
from shared.contracts.orders import OrderEvent
from shared.contracts.types import MAX_SEGMENT_VALUES
from shared.last_write_wins import LastWrites, Value, merge, text_of
from shared.moments import earliest, moment_of, stamp_of
from shared.order_facts import OrderFacts

Stop = Literal["order.cancelled", "order.refunded", "order.returned"]
STOPS: tuple[Stop, ...] = get_args(Stop)
"""What may stop an order, so that it is no longer asked about."""

STOP_REASONS: Mapping[str, Reason] = {
    orders.CANCELLED: Reason.ORDER_CANCELLED,
    orders.REFUNDED: Reason.ORDER_REFUNDED,
    orders.RETURNED: Reason.ORDER_RETURNED,
}
"""The reason each of them gives."""

# The money tells a partial refund from a full one.
_KEPT_OF_ERASED = frozenset({"customer_id", "promised_at", "amount", "currency"})


# Not frozen, although never changed: creating a frozen instance takes three times as long.
@dataclass(slots=True)
class Order:
    """What is known about one order. Only ``customer_id`` identifies the customer.

    ``facts`` are the times of what happened to it; ``details`` has the last write of customer_id, promised_at,
    country, region, tier, amount, currency, product, categories, sales_channel, attributes and guest_ids. Times are in
    UTC.
    """

    order_id: str
    first_event_at: datetime | None = None
    facts: OrderFacts = field(default_factory=OrderFacts)
    details: LastWrites = field(default_factory=dict)

    @property
    def customer_id(self) -> str:
        return text_of(self.details, "customer_id") or ""

    @property
    def guest_ids(self) -> list[str]:
        """All ids that stand for whoever placed it, if it was placed under one that is many people's; the first is by
        which they are told apart."""
        _, found = self.details.get("guest_ids", (0, []))
        return found if isinstance(found, list) else []

    @property
    def product(self) -> str | None:
        """The name of the first item."""
        return text_of(self.details, "product")

    @property
    def promised_at(self) -> datetime | None:
        promised = text_of(self.details, "promised_at")
        return None if promised is None else moment_of(int(promised))

    @property
    def ordered_at(self) -> datetime | None:
        """When it was placed, or else the time of its first event."""
        return self.facts.happened.get(orders.PLACED, self.first_event_at)

    def stops(self) -> Sequence[tuple[str, Reason]]:
        """What of STOPS happened to it and is in force, first things first, each with the reason it gives."""
        if self.facts.happened.keys().isdisjoint(STOPS):
            return ()
        happened = self.facts.in_force
        stopped = [(happened[stop], stop) for stop in STOPS if stop in happened]
        return [(stop, STOP_REASONS[stop]) for _, stop in sorted(stopped)] if stopped else ()

    def stopped_by(self, stops: tuple[str, ...]) -> Reason | None:
        """The reason of the first of ``stops`` (such as ``order.cancelled``) that happened to it and is in force."""
        return next((reason for stop, reason in self.stops() if stop in stops), None)

    def milestone(self, name: str) -> datetime | None:
        """When ``order.placed`` … ``order.delivered`` happened, or when delivery is promised (``order.promised``)."""
        if name == orders.DELIVERED:
            return self.facts.delivered_at
        return self.promised_at if name == "order.promised" else self.facts.happened.get(name)


def fold(
    order: Order, event_type: str, event: OrderEvent, at: datetime | None = None, *, guest_ids: Sequence[str] = ()
) -> Order:
    """``order`` after ``event``, whose details were said ``at`` that time, by default when it happened.

    ``guest_ids`` are all that stand for whoever placed it, by what the event says of them.

    Folding is commutative and idempotent: event order and duplicates do not matter.
    """
    at = at or event.occurred_at
    said = _details(event_type, event)
    if guest_ids and (event.customer.email or event.customer.phone):
        said["guest_ids"] = list(guest_ids)
    details = merge(order.details, said, at)
    if guest_ids and "guest_ids" not in said:
        # An event without an address says nothing new about who placed the order.
        details = merge(details, {"guest_ids": list(guest_ids)}, moment_of(0))
    return Order(
        order_id=order.order_id,
        first_event_at=earliest(order.first_event_at, at),
        facts=order_facts.fold(order.facts, event_type, event, at),
        details=details,
    )


def of_guest(order: Order, before: Order, *, named: str, unknown: str, given: str | None) -> Order:
    """``order`` after an event under a customer id that several people share, which was found to be ``named``'s.

    ``unknown`` is the customer for an order of which no event has named an address yet: one that does counts for the
    whole order, whichever came last. So it does for an order that still belongs to the shared id ``given``.
    """
    owner = before.customer_id if named == unknown else named
    if owner in ("", unknown) or order.customer_id not in (named, unknown, given) or "customer_id" not in order.details:
        return order
    return replace(order, details={**order.details, "customer_id": (order.details["customer_id"][0], owner)})


def went_on_after(order: Order, moment: datetime) -> bool:
    """Whether an order that began by ``moment`` has had an event since."""
    written = order.details.get("customer_id")
    began = order.first_event_at is not None and order.first_event_at <= moment
    return began and written is not None and written[0] > stamp_of(moment)


def erase(order: Order) -> Order:
    """``order`` after its customer's erasure: whose it was and what happened to it, but not what it was.

    A shop may write anything into the attributes, and the name of a product may say for whom it was made.
    """
    return replace(order, details={name: entry for name, entry in order.details.items() if name in _KEPT_OF_ERASED})


def without_facts(order_id: str, customer_id: str, first_event_at: datetime | None) -> Order:
    """The order of an erased customer of which nothing else can be read: whose it was and when it began."""
    at = 0 if first_event_at is None else stamp_of(first_event_at)
    return Order(order_id, first_event_at, details={"customer_id": (at, customer_id)})


def _details(event_type: str, event: OrderEvent) -> dict[str, Value | None]:
    customer = event.customer
    named: str | None = None
    categories: set[str] = set()
    for item in event.items:
        named = named or item.name
        if item.category:
            categories.add(item.category)
    # What a refund gives back is not what the order costs.
    total = None if event_type == orders.REFUNDED else event.total
    return {
        "customer_id": customer.id,
        # Fixed width, so that of two promises written at the same time the later one sorts last.
        "promised_at": None if event.promised_at is None else f"{stamp_of(event.promised_at):018d}",
        "country": customer.country,
        "region": customer.region,
        "tier": customer.tier,
        "amount": None if total is None else f"{total.amount:f}",
        "currency": None if total is None else total.currency,
        "product": named or None,
        "categories": sorted(categories)[:MAX_SEGMENT_VALUES] if categories else None,
        "sales_channel": event.channel,
        "attributes": dict(event.attributes) or None,
    }
