"""What ends an order, so that nobody is asked about it any more: recomputed from its events."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from shared.contracts import orders

Total = tuple[Decimal, str]
"""Amount and currency."""


@dataclass(slots=True)
class Endings:
    """An order's payments, cancellations, refunds and returns, in whatever order they are added."""

    paid: list[datetime] = field(default_factory=list)
    cancelled: list[datetime] = field(default_factory=list)
    returned: bool = False
    totals: list[tuple[datetime, Total]] = field(default_factory=list)
    refunds: list[tuple[datetime, bool, Total]] = field(default_factory=list)
    """When it was said, whether no amount was, and the amount."""

    def add(self, event_type: str, at: datetime, total: Total | None, said_at: datetime) -> None:
        if event_type == orders.REFUNDED:
            self.refunds.append((said_at, total is None, total or (Decimal(0), "")))
        elif total is not None:
            self.totals.append((said_at, total))
        if event_type == orders.PAID:
            self.paid.append(at)
        elif event_type == orders.CANCELLED:
            self.cancelled.append(at)
        elif event_type == orders.RETURNED:
            self.returned = True

    def in_force(self) -> set[str]:
        """The event types that end the order: a cancellation, unless it was only paid after the last one; a refund,
        unless only a part of the total was given back, as said last; a return."""
        found = {orders.RETURNED} if self.returned else set()
        if self.cancelled and not (self.paid and max(self.cancelled) < min(self.paid)):
            found.add(orders.CANCELLED)
        if self.refunds and not self._in_part():
            found.add(orders.REFUNDED)
        return found

    def _in_part(self) -> bool:
        _, everything, (given_back, currency) = max(self.refunds)
        if everything or not self.totals:
            return False
        _, (total, of_total) = max(self.totals)
        return currency == of_total and 0 < given_back < total
