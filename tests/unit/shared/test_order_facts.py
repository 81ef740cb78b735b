"""What is known of an order does not depend on the order, number or grouping of its events."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts import orders
from shared.contracts.orders import Customer, Money, OrderEvent, Shipment
from shared.order_facts import SHIPMENTS_KEPT, WHOLE_ORDER, OrderFacts, fold, said_at, status_after

START = datetime(2026, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)

Told = tuple[str, OrderEvent]


def told(
    kind: str,
    day: float,
    shipment: str | None = None,
    of: int | None = None,
    total: str | None = None,
    currency: str = "BRL",
) -> Told:
    return kind, OrderEvent(
        order_id="o-1",
        occurred_at=START + day * DAY,
        customer=Customer(id="c-1"),
        shipment=None if shipment is None else Shipment(id=shipment, of=of),
        total=None if total is None else Money(amount=Decimal(total), currency=currency),
    )


def facts_of(*events: Told) -> OrderFacts:
    return reduce(lambda facts, one: fold(facts, *one), events, OrderFacts())


events = st.builds(
    told,
    st.sampled_from(orders.TYPES),
    st.integers(0, 4),
    st.none() | st.sampled_from(["s-1", "s-2", "s-3"]),
    st.none() | st.integers(1, 3),
    st.none() | st.sampled_from(["0", "5", "10.50"]),
)


@given(st.lists(events, max_size=8), st.data())
def test_any_order_and_any_repetition_give_the_same_facts(some: list[Told], data: st.DataObject) -> None:
    again = data.draw(st.lists(st.sampled_from(some), max_size=4)) if some else []
    shuffled = facts_of(*data.draw(st.permutations([*some, *again])))
    assert shuffled == facts_of(*some)
    assert shuffled.in_force == facts_of(*some).in_force
    assert (shuffled.delivered_at, shuffled.status) == (facts_of(*some).delivered_at, facts_of(*some).status)


@given(st.lists(events, max_size=8))
def test_the_facts_are_the_earliest_of_each(some: list[Told]) -> None:
    """Against the definition, said without folding; of cancellations the latest counts, of shipments the last word."""
    happened: dict[str, list[datetime]] = {}
    delivered: dict[str, list[datetime]] = {}
    for kind, event in some:
        if kind == orders.DELIVERED:
            delivered.setdefault(event.shipment.id if event.shipment else "", []).append(event.occurred_at)
        else:
            happened.setdefault(kind, []).append(event.occurred_at)
    facts = facts_of(*some)
    assert facts.happened == {
        kind: max(moments) if kind == orders.CANCELLED else min(moments) for kind, moments in happened.items()
    }
    assert facts.delivered == {shipment: min(moments) for shipment, moments in delivered.items()}
    said = [(event.occurred_at, event.shipment.of) for _, event in some if event.shipment and event.shipment.of]
    assert facts.shipments == max(said, default=(START, 1))[1]


def test_an_order_is_delivered_when_all_its_distinct_shipments_are() -> None:
    first, second = told(orders.DELIVERED, 1, "s-1", 2), told(orders.DELIVERED, 4, "s-2", 2)
    assert facts_of(first, first).delivered_at is None
    assert facts_of(second, first, first).delivered_at == START + 4 * DAY


def test_a_delivery_that_names_no_shipment_is_of_the_whole_order() -> None:
    whole = told(orders.DELIVERED, 2)
    assert facts_of(whole).delivered == {WHOLE_ORDER: START + 2 * DAY}
    assert facts_of(whole, told(orders.DELIVERED, 1, "s-1", 3)).delivered_at == START + 2 * DAY
    parts = [told(orders.DELIVERED, 1, "s-1", 2), told(orders.DELIVERED, 1.5, "s-2", 2)]
    assert facts_of(whole, *parts).delivered_at == START + 1.5 * DAY


def test_how_many_shipments_there_are_may_become_known_late_and_from_any_event() -> None:
    alone = told(orders.DELIVERED, 1, "s-1")
    assert facts_of(alone).delivered_at == START + DAY
    assert facts_of(alone, told(orders.SHIPPED, 0, "s-2", 2)).delivered_at is None


def test_parcels_that_are_merged_or_split_are_as_many_as_was_said_last() -> None:
    three = [
        told(orders.SHIPPED, 0, "s-1", 3),
        told(orders.DELIVERED, 1, "s-1", 3),
        told(orders.DELIVERED, 2, "s-2", 3),
    ]
    assert facts_of(*three).delivered_at is None
    merged = told(orders.SHIPPED, 1.5, "s-2", 2)
    assert facts_of(*three[:2], merged, told(orders.DELIVERED, 2, "s-2", None)).delivered_at == START + 2 * DAY
    assert facts_of(*three, told(orders.SHIPPED, 3, "s-4", 4)).shipments == 4
    # How many there are need not be said again.
    assert facts_of(*three[:2], told(orders.DELIVERED, 5, "s-1", None)).delivered_at is None


def test_an_order_cancelled_unpaid_and_then_paid_after_all_is_an_order_again() -> None:
    placed, cancelled, paid = told(orders.PLACED, 0), told(orders.CANCELLED, 1), told(orders.PAID, 2)
    assert facts_of(placed, cancelled).status == "cancelled"
    assert facts_of(placed, cancelled, paid).status == "paid"
    assert orders.CANCELLED not in facts_of(paid, cancelled, placed).in_force
    # Cancelled again, for good.
    assert facts_of(placed, cancelled, paid, told(orders.CANCELLED, 3)).status == "cancelled"
    # Paid before it was cancelled: being told of the payment again takes nothing back.
    assert orders.CANCELLED in facts_of(told(orders.PAID, 0.5), cancelled, paid).in_force


@pytest.mark.parametrize(
    ("refund", "in_part"),
    [
        (told(orders.REFUNDED, 3, total="20.00"), True),
        (told(orders.REFUNDED, 3, total="159.89"), True),
        (told(orders.REFUNDED, 3, total="159.90"), False),
        (told(orders.REFUNDED, 3, total="160"), False),
        (told(orders.REFUNDED, 3, total="0.00"), False),
        (told(orders.REFUNDED, 3), False),
        (told(orders.REFUNDED, 3, total="20", currency="USD"), False),
    ],
)
def test_a_refund_of_a_part_ends_nothing(refund: Told, in_part: bool) -> None:
    bought = [told(orders.PLACED, 0, total="159.90"), told(orders.DELIVERED, 2)]
    for some in ([*bought, refund], [refund, *bought]):
        assert (orders.REFUNDED not in facts_of(*some).in_force) == in_part
        assert facts_of(*some).status == ("delivered" if in_part else "refunded")


def test_what_was_given_back_so_far_counts() -> None:
    bought = told(orders.PLACED, 0, total="100")
    part, rest = told(orders.REFUNDED, 1, total="30"), told(orders.REFUNDED, 2, total="100")
    assert facts_of(bought, part).refunded_in_part
    assert not facts_of(rest, part, bought).refunded_in_part


def test_a_clock_that_is_ahead_does_not_outrank_what_is_said_later() -> None:
    _, ahead = told(orders.SHIPPED, 9, "s-1", 5)
    arrived_at = START + DAY
    assert said_at(ahead, arrived_at=arrived_at) == arrived_at
    facts = fold(OrderFacts(), orders.SHIPPED, ahead, said_at(ahead, arrived_at=arrived_at))
    assert fold(facts, *told(orders.SHIPPED, 2, "s-2", 2)).shipments == 2
    assert facts.happened == {orders.SHIPPED: ahead.occurred_at}


def test_told_again_later_nothing_moves() -> None:
    once = facts_of(told(orders.PLACED, 1), told(orders.DELIVERED, 3))
    assert (
        reduce(lambda facts, one: fold(facts, *one), [told(orders.PLACED, 9), told(orders.DELIVERED, 9)], once) == once
    )


@pytest.mark.parametrize(
    ("some", "status"),
    [
        ([], None),
        ([told(orders.PLACED, 1), told(orders.SHIPPED, 2)], "shipped"),
        ([told(orders.SHIPPED, 2), told(orders.PLACED, 3)], "placed"),
        ([told(orders.CANCELLED, 2), told(orders.PLACED, 1), told(orders.PLACED, 3)], "cancelled"),
        ([told(orders.DELIVERED, 1, "s-1", 2)], None),
        ([told(orders.SHIPPED, 0), told(orders.DELIVERED, 1, "s-1", 2)], "shipped"),
        (
            [told(orders.SHIPPED, 0), told(orders.DELIVERED, 1, "s-1", 2), told(orders.DELIVERED, 2, "s-2", 2)],
            "delivered",
        ),
        ([told(orders.DELIVERED, 1), told(orders.RETURNED, 5)], "returned"),
        ([told(orders.RETURNED, 1), told(orders.REFUNDED, 1), told(orders.PAID, 1)], "returned"),
    ],
)
def test_the_status_is_the_last_thing_that_happened(some: list[Told], status: str | None) -> None:
    assert facts_of(*some).status == status
    assert facts_of(*reversed(some)).status == status


def test_at_one_moment_the_status_is_the_last_of_an_orders_life() -> None:
    for number, kind in enumerate(orders.TYPES, start=1):
        assert facts_of(*(told(earlier, 1) for earlier in orders.TYPES[:number])).status == status_after(kind)


def test_deliveries_kept_are_bounded_and_still_commutative() -> None:
    many = [told(orders.DELIVERED, 0.001 * n, f"s-{n}", 1_000) for n in range(SHIPMENTS_KEPT + 10)]
    forward, backward = facts_of(*many), facts_of(*reversed(many))
    assert forward == backward
    assert len(forward.delivered) == SHIPMENTS_KEPT
    assert forward.delivered_at == many[SHIPMENTS_KEPT - 1][1].occurred_at
