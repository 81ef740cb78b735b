"""What is known about an order from its events, in any order and any number of times.

If something is reported more than once, the earliest time counts, so that a duplicate or a correction never changes
what has already been decided by it. Folding is commutative, associative and idempotent.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from heapq import nsmallest

from shared.contracts import orders
from shared.contracts.orders import OrderEvent
from shared.moments import earliest

WHOLE_ORDER = ""
"""The shipment id of a delivery without one: everything was delivered."""

SHIPMENTS_KEPT = 1_000
"""Maximum per order (``contracts.orders.Shipment.of``): the earliest deliveries decide, so they are kept."""

_LIFE = {event_type: rank for rank, event_type in enumerate(orders.TYPES)}


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFacts:
    """When what happened to an order; times are in UTC.

    ``happened`` has the earliest time of each event type but ``order.delivered``, ``delivered`` the earliest
    delivery of each shipment id (or WHOLE_ORDER), ``shipments`` the highest number of shipments reported by any event.
    """

    happened: Mapping[str, datetime] = field(default_factory=dict)
    delivered: Mapping[str, datetime] = field(default_factory=dict)
    shipments: int = 1

    @property
    def delivered_at(self) -> datetime | None:
        """When the last of all its shipments was delivered; None while one is missing."""
        whole = self.delivered.get(WHOLE_ORDER)
        parts = nsmallest(self.shipments, (at for name, at in self.delivered.items() if name != WHOLE_ORDER))
        return earliest(whole, parts[-1] if len(parts) == self.shipments else None)

    @property
    def status(self) -> str | None:
        """The latest status, such as ``shipped``; ``delivered`` only once all shipments are.

        Of two at the same time, the one later in an order's life. None while all that is known is that some of its
        shipments were delivered.
        """
        moments = dict(self.happened)
        if (delivered_at := self.delivered_at) is not None:
            moments[orders.DELIVERED] = delivered_at
        last = max(moments, key=lambda event_type: (moments[event_type], _LIFE[event_type]), default=None)
        return None if last is None else status_after(last)


def fold(facts: OrderFacts, event_type: str, event: OrderEvent) -> OrderFacts:
    """``facts`` after ``event``."""
    happened, delivered = facts.happened, facts.delivered
    if event_type == orders.DELIVERED:
        delivered = _with(delivered, WHOLE_ORDER if event.shipment is None else event.shipment.id, event.occurred_at)
    else:
        happened = _with(happened, event_type, event.occurred_at)
    return OrderFacts(
        happened=happened,
        delivered=_earliest_deliveries(delivered),
        shipments=max(facts.shipments, 1 if event.shipment is None else event.shipment.of or 1),
    )


def status_after(event_type: str) -> str:
    """The status after an event: ``placed`` for ``order.placed``."""
    return event_type.removeprefix("order.")


def _with(moments: Mapping[str, datetime], name: str, at: datetime) -> Mapping[str, datetime]:
    known = moments.get(name)
    return moments if known is not None and known <= at else {**moments, name: at}


def _earliest_deliveries(delivered: Mapping[str, datetime]) -> Mapping[str, datetime]:
    if len(delivered) <= SHIPMENTS_KEPT:
        return delivered
    return dict(nsmallest(SHIPMENTS_KEPT, delivered.items(), key=lambda entry: (entry[1], entry[0])))
