"""What ends an order is recomputed by code of the audit's own, and comes to the same as in the services."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import reduce

from hypothesis import given
from hypothesis import strategies as st

from shared.contracts import orders
from shared.contracts.orders import Customer, Money, OrderEvent
from shared.order_facts import OrderFacts, fold, said_at
from tools.audit.checks.endings import Endings

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ENDINGS = {orders.CANCELLED, orders.REFUNDED, orders.RETURNED}

events = st.builds(
    lambda kind, hours, late, amount, currency: (
        kind,
        OrderEvent(
            order_id="o-1",
            occurred_at=NOON + timedelta(hours=hours),
            customer=Customer(id="c-1"),
            total=None if amount is None else Money(amount=Decimal(amount), currency=currency),
        ),
        NOON + timedelta(hours=hours + late),
    ),
    st.sampled_from(orders.TYPES),
    st.integers(0, 3),
    st.integers(-1, 1),
    st.sampled_from([None, "0", "5", "5.00", "10", "-5"]),
    st.sampled_from(["BRL", "USD"]),
)


@given(st.lists(events, max_size=6))
def test_the_audit_and_the_services_agree_on_what_ends_an_order(some: list[tuple[str, OrderEvent, datetime]]) -> None:
    facts = reduce(
        lambda known, one: fold(known, one[0], one[1], said_at(one[1], arrived_at=one[2])), some, OrderFacts()
    )
    endings = Endings()
    for kind, event, arrived_at in some:
        total = None if event.total is None else (event.total.amount, event.total.currency)
        endings.add(kind, event.occurred_at, total, min(event.occurred_at, arrived_at))
    assert endings.in_force() == set(facts.in_force) & ENDINGS
