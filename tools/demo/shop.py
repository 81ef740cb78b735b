"""The simulated shop: its orders, and what happens to each. The same seed produces the same shop."""

import heapq
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from shared.contracts import orders
from tools.demo.people import Person, draw_person
from tools.simulation.shop_event import ShopEvent

PRODUCTS = {
    "toys": ("Wooden railway", "Stacking rings", "Marble run"),
    "books": ("Atlas of small islands", "Bread at home", "The night sky"),
    "garden": ("Watering can", "Raised bed", "Bird house"),
    "kitchen": ("Cast-iron pan", "Tea kettle", "Chef's knife"),
    "audio": ("Bookshelf speaker", "Headphones", "Kitchen radio"),
}
RETURNING_SHARE = 0.15
POPULATION = 50_000
CANCELLED_SHARE = 0.05
REFUNDED_SHARE = 0.04
SPLIT_SHARE = 0.10
DISPATCH_DAYS = (0.5, 1.5)
PROMISED_DAYS = (4, 7)


@dataclass(frozen=True, slots=True)
class Shipment:
    shipped_at: datetime
    delivered_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Everything that will happen to one order."""

    id: str
    person: Person
    placed_at: datetime
    promised_at: datetime
    categories: tuple[str, ...]
    products: tuple[str, ...]
    prices: tuple[Decimal, ...]
    experiment: str
    channel: str
    shipments: tuple[Shipment, ...]
    cancelled_at: datetime | None
    refunded_at: datetime | None

    @property
    def delivered_at(self) -> datetime | None:
        """When the last shipment was delivered; None for a cancelled order."""
        return max(shipment.delivered_at for shipment in self.shipments) if self.shipments else None

    def late(self, now: datetime) -> bool:
        """Whether the order is late as of ``now``."""
        arrived = self.delivered_at
        return now > self.promised_at and (arrived is None or arrived > self.promised_at)


class Shop:
    """Generates ``orders_per_day`` on average, and returns their events as time passes."""

    def __init__(self, seed: int, opens_at: datetime, orders_per_day: float) -> None:
        self._random = Random(seed)  # noqa: S311  # not for secrets; must be repeatable
        self._orders_per_day = orders_per_day
        self._next_order_at = opens_at
        self._people: list[Person] = []
        self._ahead: list[tuple[datetime, int, ShopEvent]] = []
        self._scheduled = 0
        self.orders: dict[str, Order] = {}
        """Every order placed so far, by id."""
        self._latest: dict[str, Order] = {}

    def until(self, now: datetime) -> list[ShopEvent]:
        """Events since the last call, in time order."""
        while self._next_order_at <= now:
            order = self._draw(self._next_order_at)
            self.orders[order.id] = order
            self._latest[order.person.address] = order
            for event in events_of(order):
                self._scheduled += 1
                heapq.heappush(self._ahead, (event.occurred_at, self._scheduled, event))
            self._next_order_at += timedelta(days=self._random.expovariate(self._orders_per_day))
        happened = []
        while self._ahead and self._ahead[0][0] <= now:
            happened.append(heapq.heappop(self._ahead)[2])
        return happened

    def latest_order_of(self, address: str) -> Order | None:
        """The last order of the customer with this address; None for an unknown address."""
        return self._latest.get(address)

    def _draw(self, placed_at: datetime) -> Order:
        random = self._random
        person = self._customer()
        categories = tuple(random.sample(sorted(PRODUCTS), random.choice((1, 1, 1, 2))))
        promised_at = placed_at + timedelta(days=random.uniform(*PROMISED_DAYS))
        cancelled = random.random() < CANCELLED_SHARE
        shipments = (
            () if cancelled else self._shipments(placed_at=placed_at, promised_at=promised_at, late=person.region.late)
        )
        refunded_at = None
        if shipments and random.random() < REFUNDED_SHARE:
            refunded_at = shipments[-1].delivered_at + timedelta(days=random.uniform(1, 10))
        return Order(
            id=f"{1001 + len(self.orders)}",
            person=person,
            placed_at=placed_at,
            promised_at=promised_at,
            categories=categories,
            products=tuple(random.choice(PRODUCTS[category]) for category in categories),
            prices=tuple(Decimal(random.randrange(500, 25_000)) / 100 for _ in categories),
            experiment=random.choice("AB"),
            channel=random.choice(("web", "web", "app", "store")),
            shipments=shipments,
            cancelled_at=placed_at + timedelta(hours=random.uniform(0.1, 20)) if cancelled else None,
            refunded_at=refunded_at,
        )

    def _customer(self) -> Person:
        if self._people and (self._random.random() < RETURNING_SHARE or len(self._people) >= POPULATION):
            return self._random.choice(self._people)
        person = draw_person(self._random, len(self._people) + 1)
        self._people.append(person)
        return person

    def _shipments(self, *, placed_at: datetime, promised_at: datetime, late: float) -> tuple[Shipment, ...]:
        shipments = []
        for _ in range(2 if self._random.random() < SPLIT_SHARE else 1):
            shipped_at = placed_at + timedelta(days=self._random.uniform(*DISPATCH_DAYS))
            if self._random.random() < late:
                delivered_at = promised_at + timedelta(days=self._random.uniform(0.5, 9))
            else:
                delivered_at = shipped_at + (promised_at - shipped_at) * self._random.uniform(0.4, 0.98)
            shipments.append(Shipment(shipped_at, delivered_at))
        return tuple(sorted(shipments, key=lambda shipment: shipment.delivered_at))


def events_of(order: Order) -> list[ShopEvent]:
    """The events of an order, not in time order."""
    events = [_event(order, orders.PLACED, order.placed_at)]
    if order.cancelled_at:
        return [*events, _event(order, orders.CANCELLED, order.cancelled_at)]
    events.append(_event(order, orders.PAID, order.placed_at + timedelta(minutes=3)))
    for number, shipment in enumerate(order.shipments, start=1):
        body = {"id": f"{order.id}-{number}", "of": len(order.shipments)}
        events.append(_event(order, orders.SHIPPED, shipment.shipped_at, body))
        events.append(_event(order, orders.DELIVERED, shipment.delivered_at, body))
    if order.refunded_at:
        events.append(_event(order, orders.REFUNDED, order.refunded_at))
    return events


def _event(order: Order, event_type: str, occurred_at: datetime, shipment: dict[str, Any] | None = None) -> ShopEvent:
    person = order.person
    body: dict[str, Any] = {
        "order_id": order.id,
        "occurred_at": occurred_at.isoformat(),
        "customer": {
            "id": person.id,
            "email": person.address,
            "name": person.name,
            "locale": person.locale,
            "timezone": person.country.timezone,
            "country": person.country.code,
            "region": person.region.code,
            "tier": person.tier,
        },
        "total": {"amount": str(sum(order.prices)), "currency": person.country.currency},
        "items": [
            {"sku": f"{category}-{product}", "name": product, "category": category, "price": str(price)}
            for category, product, price in zip(order.categories, order.products, order.prices, strict=True)
        ],
        "promised_at": order.promised_at.isoformat(),
        "channel": order.channel,
        "attributes": {"experiment": order.experiment},
    }
    if shipment:
        body["shipment"] = shipment
    suffix = f"/{shipment['id']}" if shipment else ""
    return ShopEvent(
        id=f"{order.id}/{event_type}{suffix}",
        type=event_type,
        occurred_at=occurred_at,
        customer_id=person.id,
        body=body,
    )
