"""The simulated shop and its customers: repeatable, and as messy as real ones."""

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from random import Random
from statistics import mean

import pytest

from shared.contracts.orders import OrderEvent
from shared.contracts.topics import ORDERS
from shared.nps import group_of
from tools.demo.customers import COMMENTS, choose_score, reaction
from tools.demo.shop import Shop
from tools.simulation.shop_event import ShopEvent

OPENS = datetime(2026, 3, 1, tzinfo=UTC)


def sixty_days(seed: int = 7) -> Shop:
    return Shop(seed, OPENS, orders_per_day=20)


def test_the_same_seed_gives_the_same_shop_however_often_it_is_polled() -> None:
    whole = sixty_days().until(OPENS + timedelta(days=20))
    often_polled = sixty_days()
    parts = [event for hour in range(20 * 24 + 1) for event in often_polled.until(OPENS + timedelta(hours=hour))]
    assert parts == whole
    assert whole != sixty_days(seed=8).until(OPENS + timedelta(days=20))


def test_events_come_in_time_order_with_an_id_each_and_keep_the_contract() -> None:
    events = sixty_days().until(OPENS + timedelta(days=60))
    assert [event.occurred_at for event in events] == sorted(event.occurred_at for event in events)
    assert len({event.id for event in events}) == len(events)
    assert {event.type for event in events} <= set(ORDERS.bodies)
    for event in events:
        body = OrderEvent.model_validate(event.body, strict=False)
        assert body.customer.id == event.customer_id


def test_a_split_order_is_delivered_in_as_many_parcels_as_it_says() -> None:
    events = sixty_days().until(OPENS + timedelta(days=60))
    shipments: defaultdict[str, set[str]] = defaultdict(set)
    promised: dict[str, int] = {}
    for event in events:
        if event.type == "order.shipped":
            shipments[event.body["order_id"]].add(event.body["shipment"]["id"])
            promised[event.body["order_id"]] = event.body["shipment"]["of"]
    finished = {order for order in promised if OPENS + timedelta(days=50) > _placed(events, order)}
    assert all(len(shipments[order]) == promised[order] for order in finished)
    assert Counter(promised.values()).keys() == {1, 2}


def test_every_way_an_order_can_go_happens() -> None:
    seen = {event.type for event in sixty_days().until(OPENS + timedelta(days=60))}
    assert seen == {
        "order.placed", "order.paid", "order.shipped", "order.delivered", "order.cancelled", "order.refunded",
    }  # fmt: skip


def test_customers_come_from_five_countries_with_supported_languages() -> None:
    shop = sixty_days()
    shop.until(OPENS + timedelta(days=60))
    people = {order.person for order in shop.orders.values()}
    assert {person.country.code for person in people} == {"BR", "GB", "KR", "CN", "NO"}
    assert {{"no": "nb"}.get(person.locale[:2], person.locale[:2]) for person in people} == set(COMMENTS)


def test_late_parcels_make_detractors() -> None:
    shop = sixty_days()
    shop.until(OPENS + timedelta(days=60))
    far = OPENS + timedelta(days=400)
    scores: defaultdict[bool, list[int]] = defaultdict(list)
    random = Random(1)
    for order in shop.orders.values():
        scores[order.late(far)].append(choose_score(random, order, far))
    assert mean(scores[False]) - mean(scores[True]) > 2
    assert sum(group_of(score) == "detractor" for score in scores[True]) > len(scores[True]) / 2


def test_customers_show_every_behaviour_deterministically() -> None:
    shop = sixty_days()
    shop.until(OPENS + timedelta(days=60))
    kinds: Counter[str] = Counter()
    amended = silent = 0
    for number, order in enumerate(shop.orders.values()):
        actions = reaction(7, f"send-{number}", order, order.placed_at)
        assert actions == reaction(7, f"send-{number}", order, order.placed_at)
        assert [action.after for action in actions] == sorted(action.after for action in actions)
        kinds.update(action.kind for action in actions)
        silent += not actions
        amended += len({action.score for action in actions if action.score is not None}) > 1
    assert kinds.keys() == {"view", "answer", "comment", "unsubscribe", "scan"}
    assert silent and amended


@pytest.mark.parametrize("language", sorted(COMMENTS))
def test_every_language_can_say_everything(language: str) -> None:
    assert COMMENTS[language].keys() == COMMENTS["en"].keys()


def _placed(events: list[ShopEvent], order_id: str) -> datetime:
    return next(event.occurred_at for event in events if event.body["order_id"] == order_id)
