"""The events of past orders, as the shop's backend would have published them, in time order."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from shared.contracts import orders as order_events
from tools.replay.olist import ZONE, PastOrder
from tools.simulation.shop_event import ShopEvent

CANCELLED = "canceled"
"""The data set's spelling."""


def events_of(orders: Iterable[PastOrder]) -> list[ShopEvent]:
    """The events of all orders by time; events of one order at the same time stay in their natural order."""
    orders = list(orders)
    first_order_at: dict[str, datetime] = {}
    for order in orders:
        earlier = first_order_at.get(order.customer_id, order.placed_at)
        first_order_at[order.customer_id] = min(earlier, order.placed_at)
    events = [event for order in orders for event in _events_of_order(order, first_order_at[order.customer_id])]
    # Sorting is stable, which keeps the natural order of events with the same timestamp.
    return sorted(events, key=lambda event: event.occurred_at)


def cancelled_at(order: PastOrder) -> datetime | None:
    """The time of the last known event of a cancelled order, since the data does not say when it was cancelled."""
    if order.status != CANCELLED:
        return None
    return order.last_known_at


def _events_of_order(order: PastOrder, first_order_at: datetime) -> list[ShopEvent]:
    moments = {
        order_events.PLACED: order.placed_at,
        order_events.PAID: order.paid_at,
        order_events.SHIPPED: order.shipped_at,
        order_events.DELIVERED: order.delivered_at,
        order_events.CANCELLED: cancelled_at(order),
    }
    facts = _facts(order, first_order_at)
    return [
        ShopEvent(
            id=f"{order.order_id}/{event_type}",
            type=event_type,
            occurred_at=moment,
            customer_id=order.customer_id,
            body={**facts, "occurred_at": _local(moment)},
        )
        for event_type, moment in moments.items()
        if moment is not None
    ]


def _facts(order: PastOrder, first_order_at: datetime) -> Mapping[str, Any]:
    items = [
        {
            "sku": item.product_id,
            "quantity": 1,
            **({"price": str(item.price)} if item.price is not None else {}),
            # The data has no product names; the category is what a customer would recognise.
            **({"category": item.category, "name": item.category.replace("_", " ")} if item.category else {}),
        }
        for item in order.items
    ]
    facts: dict[str, Any] = {
        "order_id": order.order_id,
        "customer": {
            "id": order.customer_id,
            "email": f"{order.customer_id}@customers.example",
            "locale": "pt-BR",
            "timezone": ZONE.key,
            "country": "BR",
            "region": order.state,
            "first_order_at": _local(first_order_at),
        },
        "items": items,
        "channel": "web",
    }
    if order.total is not None:
        facts["total"] = {"amount": str(order.total), "currency": "BRL"}
    if order.promised_at is not None:
        facts["promised_at"] = _local(order.promised_at)
    return facts


def _local(moment: datetime) -> str:
    return moment.astimezone(ZONE).isoformat()
