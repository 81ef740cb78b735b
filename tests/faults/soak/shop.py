"""The orders of the soak, most of them ordinary, some as odd as real ones: what happens to each, and when."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from tools.simulation.shop_event import ShopEvent

DOMAIN = "mail.soak.example"
"""Of every address. Nothing that a process logs may have it."""
FAMILY_NAME = "Soakington"
"""Of everybody. Nothing that a process logs may have it."""
ASKED_AFTER = timedelta(hours=8)
"""How long after the delivery the survey is due."""

STORIES = {
    "plain": 46, "duplicated": 9, "out_of_order": 7, "stopped_early": 8, "stopped_late": 5, "never_delivered": 2,
    "twins": 4, "guest": 4, "wrong_clock": 4, "blank_fields": 5, "no_address": 2, "bounces": 3, "greylisted": 3,
    "cut_off": 3, "erased_early": 4,
}  # fmt: skip
REGIONS = {"BR": ("SP", "RJ", "BA"), "NO": ("Oslo", "Vestland"), "KR": ("Seoul", "Busan")}
LOCALES = {"BR": "pt-BR", "NO": "nb-NO", "KR": "ko-KR"}
CATEGORIES = ("toys", "books", "garden", "audio")
STOPS = ("order.cancelled", "order.refunded", "order.returned")
ORDERS_PER_PERSON = 3
GUESTS = ("0", "guest")


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    id: str
    email: str | None
    name: str
    country: str
    region: str
    tier: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """An event, and when it is published. ``acceptable``: whether the contract lets it in."""

    publish_at: datetime
    event: ShopEvent
    acceptable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    id: str
    story: str
    person: Person
    events: Sequence[Planned]
    erase_at: datetime | None = None


class Shop:
    """The same seed produces the same orders, if they are placed at the same times."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._orders = 0
        self._people: list[Person] = []
        self._ordered: dict[str, int] = {}

    def place(self, now: datetime) -> list[Order]:
        """One order, or the two of a mailbox with two ids."""
        self._orders += 1
        random = Random(f"{self._seed}/{self._orders}")
        story = random.choices(list(STORIES), list(STORIES.values()))[0]
        person = self._person(random, story)
        order = self._order(random, f"o-{self._orders}", story, person, now)
        if story != "twins":
            return [order]
        assert person.email is not None
        twin = replace(person, id=f"{person.id}-twin", email=person.email.replace("p-", "P-"))
        return [order, self._order(random, f"o-{self._orders}-twin", story, twin, now)]

    def forget(self, customer_id: str) -> None:
        """This customer orders no more."""
        self._people = [person for person in self._people if person.id != customer_id]

    def _person(self, random: Random, story: str) -> Person:
        returning = story in ("plain", "duplicated", "out_of_order", "stopped_early", "stopped_late")
        if returning and self._people and random.random() < 0.3:
            person = random.choice(self._people)
            self._ordered[person.id] += 1
            if self._ordered[person.id] >= ORDERS_PER_PERSON:
                self.forget(person.id)
            return person
        number = self._orders
        prefix = {"bounces": "bounce-", "greylisted": "grey-", "cut_off": "cut-"}.get(story, "")
        country = random.choice(tuple(REGIONS))
        person = Person(
            id=random.choice(GUESTS) if story == "guest" else f"c-{number}",
            email=None if story == "no_address" else f"{prefix}p-{number}@{DOMAIN}",
            name=f"{random.choice(('Ana', 'Kari', '지민', 'João'))} {FAMILY_NAME}",
            country=country,
            region=random.choice(REGIONS[country]),
            tier=random.choice(("gold", "silver", "basic")),
        )
        if story in ("plain", "duplicated", "bounces"):
            self._people.append(person)
            self._ordered[person.id] = 1
        return person

    def _order(self, random: Random, order_id: str, story: str, person: Person, now: datetime) -> Order:
        body = _body(random, order_id, story, person)

        def event(kind: str, publish: float, occurred: float | None = None, **options: Any) -> Planned:
            occurred_at = now + timedelta(hours=publish if occurred is None else occurred)
            name = options.pop("name", kind)
            return Planned(
                publish_at=now + timedelta(hours=publish),
                event=ShopEvent(
                    id=f"{order_id}/{name}",
                    type=kind,
                    occurred_at=occurred_at,
                    customer_id=person.id,
                    body={**body, "occurred_at": occurred_at.isoformat()},
                ),
                **options,
            )

        delivered = random.uniform(2, 10)
        stop = random.choice(STOPS)
        due = delivered + ASKED_AFTER / timedelta(hours=1)
        events = [
            event("order.placed", 0),
            event("order.paid", 0.1),
            event("order.shipped", 1),
            event("order.delivered", delivered),
        ]
        erase_at = None
        match story:
            case "duplicated":
                again = [
                    replace(one, publish_at=one.publish_at + timedelta(hours=random.uniform(0, 3))) for one in events
                ]
                events += again
            case "out_of_order":
                events = [
                    event("order.delivered", delivered),
                    event("order.shipped", delivered + 0.2, 1),
                    event("order.placed", delivered + 0.4, 0),
                ]
            case "stopped_early":
                events.append(event(stop, random.uniform(delivered, due)))
            case "stopped_late":
                events.append(event(stop, due + random.uniform(0.5, 20)))
            case "never_delivered":
                events = [*events[:2], event("order.cancelled", random.uniform(1, 20))]
            case "wrong_clock":
                days_ahead = random.uniform(2, 400) * 24
                events.append(event("order.shipped", 2, 2 + days_ahead, name="ahead", acceptable=False))
            case "erased_early":
                erase_at = now + timedelta(hours=random.uniform(delivered, due))
        return Order(id=order_id, story=story, person=person, events=events, erase_at=erase_at)


def _body(random: Random, order_id: str, story: str, person: Person) -> Mapping[str, Any]:
    categories = random.sample(CATEGORIES, random.choice((1, 1, 2)))
    prices = [Decimal(random.randrange(500, 20_000)) / 100 for _ in categories]
    customer: dict[str, Any] = {
        "id": person.id, "email": person.email, "name": person.name, "locale": LOCALES[person.country],
        "country": person.country, "region": person.region, "tier": person.tier,
    }  # fmt: skip
    body: dict[str, Any] = {
        "order_id": order_id,
        "customer": {name: value for name, value in customer.items() if value is not None},
        "total": {"amount": str(sum(prices)), "currency": "EUR"},
        "items": [
            {"sku": f"s-{category}", "name": f"A {category}", "category": category, "quantity": 1, "price": str(price)}
            for category, price in zip(categories, prices, strict=True)
        ],
        "channel": random.choice(("web", "app")),
    }
    if story == "blank_fields":
        customer |= {random.choice(("region", "tier")): random.choice(("", " ", None)), "locale": ""}
        body |= {"customer": customer, "attributes": [], "channel": None, "promised_at": ""}
    return body
