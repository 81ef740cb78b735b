"""What is known about an order from its events, in any order and any number of times.

If something that happened is reported more than once, the earliest time counts, so that a duplicate or a correction
never changes what has already been decided by it. Of a cancellation the latest counts, because one that was taken back
may be followed by another. Folding is commutative, associative and idempotent.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from heapq import nsmallest

from shared.contracts import orders
from shared.contracts.orders import OrderEvent
from shared.moments import earliest

WHOLE_ORDER = ""
"""The shipment id of a delivery without one: everything was delivered."""

SHIPMENTS_KEPT = 1_000
"""Maximum per order (``contracts.orders.Shipment.of``): the earliest deliveries decide, so they are kept."""

_LIFE = {event_type: rank for rank, event_type in enumerate(orders.TYPES)}


# Not frozen, although never changed: creating a frozen instance takes three times as long.
@dataclass(slots=True)
class Sum:
    """An amount of money, as said ``at`` that time. ``amount`` is a decimal string; empty if no amount was said."""

    at: datetime
    amount: str
    currency: str


# Not frozen, although never changed: creating a frozen instance takes three times as long.
@dataclass(slots=True, kw_only=True)
class OrderFacts:
    """When what happened to an order; times are in UTC.

    ``happened`` has the earliest time of each event type but ``order.delivered``, and the latest of
    ``order.cancelled``; ``delivered`` has the earliest delivery of each shipment id (or WHOLE_ORDER). What may change
    is as it was said last: ``shipments`` (how many there are) at ``shipments_at``, the ``total``, and the ``refund``:
    how much of it was given back so far.
    """

    happened: Mapping[str, datetime] = field(default_factory=dict)
    delivered: Mapping[str, datetime] = field(default_factory=dict)
    shipments: int = 1
    shipments_at: datetime | None = None
    total: Sum | None = None
    refund: Sum | None = None

    @property
    def delivered_at(self) -> datetime | None:
        """When the last of all its shipments was delivered; None while one is missing."""
        if not self.delivered:
            return None
        whole = self.delivered.get(WHOLE_ORDER)
        parts = nsmallest(self.shipments, (at for name, at in self.delivered.items() if name != WHOLE_ORDER))
        return earliest(whole, parts[-1] if len(parts) == self.shipments else None)

    @property
    def in_force(self) -> Mapping[str, datetime]:
        """What happened, but for a cancellation that was taken back and a refund of only a part.

        An order cancelled before it was ever paid, and paid after that, is an order again: shops cancel what waits too
        long for its money. A refund is of a part if it says how much was given back, and that is less than the total.
        """
        cancelled, paid = self.happened.get(orders.CANCELLED), self.happened.get(orders.PAID)
        ended = set()
        if cancelled is not None and paid is not None and cancelled < paid:
            ended.add(orders.CANCELLED)
        if self.refunded_in_part:
            ended.add(orders.REFUNDED)
        return {name: at for name, at in self.happened.items() if name not in ended} if ended else self.happened

    @property
    def refunded_in_part(self) -> bool:
        """Whether some of the total was given back, and not all of it. A refund of 0 is one that does not say."""
        refund, total = self.refund, self.total
        if refund is None or total is None or not refund.amount or refund.currency != total.currency:
            return False
        return 0 < Decimal(refund.amount) < Decimal(total.amount)

    @property
    def status(self) -> str | None:
        """The latest status in force, such as ``shipped``; ``delivered`` only once all shipments are.

        Of two at the same time, the one later in an order's life. None while all that is known is that some of its
        shipments were delivered.
        """
        # What only a newer release knows has no place in an order's life here.
        moments = {event_type: at for event_type, at in self.in_force.items() if event_type in _LIFE}
        if (delivered_at := self.delivered_at) is not None:
            moments[orders.DELIVERED] = delivered_at
        last = max(moments, key=lambda event_type: (moments[event_type], _LIFE[event_type]), default=None)
        return None if last is None else status_after(last)


def said_at(event: OrderEvent, *, arrived_at: datetime) -> datetime:
    """When what an event says counts from: it cannot have been said after it arrived, whatever the shop's clock."""
    occurred_at = event.occurred_at
    return occurred_at if occurred_at < arrived_at else arrived_at


def fold(facts: OrderFacts, event_type: str, event: OrderEvent, at: datetime | None = None) -> OrderFacts:
    """``facts`` after ``event``, whose details were said ``at`` that time, by default when it happened."""
    at = at or event.occurred_at
    happened, delivered = facts.happened, facts.delivered
    if event_type == orders.DELIVERED:
        shipment_id = WHOLE_ORDER if event.shipment is None else event.shipment.id
        delivered = _earliest_deliveries(_with(delivered, shipment_id, event.occurred_at))
    elif event_type == orders.CANCELLED:
        happened = {**happened, event_type: max(event.occurred_at, happened.get(event_type, event.occurred_at))}
    else:
        happened = _with(happened, event_type, event.occurred_at)
    shipments, shipments_at = facts.shipments, facts.shipments_at
    if event.shipment is not None and event.shipment.of is not None:
        said = at, event.shipment.of
        if shipments_at is None or said > (shipments_at, shipments):
            shipments_at, shipments = said
    total, refund = facts.total, facts.refund
    if event_type == orders.REFUNDED:
        refund = _later(refund, _sum(event, at) or Sum(at, "", ""))
    else:
        total = _later(total, _sum(event, at))
    return OrderFacts(
        happened=happened,
        delivered=delivered,
        shipments=shipments,
        shipments_at=shipments_at,
        total=total,
        refund=refund,
    )


def _sum(event: OrderEvent, at: datetime) -> Sum | None:
    return None if event.total is None else Sum(at, f"{event.total.amount:f}", event.total.currency)


def _later(one: Sum | None, other: Sum | None) -> Sum | None:
    if one is None or other is None:
        return one or other
    if one.at != other.at:
        return one if one.at > other.at else other
    # As ``one == other``, which takes longer.
    same = one.amount == other.amount and one.currency == other.currency
    return one if same else max(one, other, key=_rank)


def _rank(said: Sum) -> tuple[bool, Decimal, str]:
    """Of two said at the same time: the higher amount, and of a refund that it is of everything."""
    return not said.amount, Decimal(said.amount or 0), said.currency


def status_after(event_type: str) -> str:
    """The status after an event: ``placed`` for ``order.placed``."""
    return event_type.removeprefix("order.")


def event_type_of(status: str) -> str:
    """The event after which the status is: ``order.placed`` for ``placed``."""
    return f"order.{status}"


def _with(moments: Mapping[str, datetime], name: str, at: datetime) -> Mapping[str, datetime]:
    known = moments.get(name)
    return moments if known is not None and known <= at else {**moments, name: at}


def _earliest_deliveries(delivered: Mapping[str, datetime]) -> Mapping[str, datetime]:
    if len(delivered) <= SHIPMENTS_KEPT:
        return delivered
    return dict(nsmallest(SHIPMENTS_KEPT, delivered.items(), key=lambda entry: (entry[1], entry[0])))
