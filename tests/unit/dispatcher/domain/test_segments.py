"""Segments are what the shop said of the order, taken at the moment of sending."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from services.dispatcher.domain import customers, orders
from services.dispatcher.domain.campaigns import DIMENSIONS, Campaign
from services.dispatcher.domain.customers import Customer
from services.dispatcher.domain.orders import Order
from services.dispatcher.domain.segments import Segmentation, Segments, matches, parse_pairs, parse_value_bands, taken
from shared.contracts import types
from shared.contracts.orders import Customer as TellsOf
from shared.contracts.orders import Item, Money, OrderEvent

NOW = datetime(2026, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)
CAMPAIGN = Campaign.model_validate({"id": "service", "trigger": {"after": "order.placed"}})
SEGMENTATION = Segmentation(parse_pairs("country+tier, country+category"), parse_value_bands("BRL:100,300;*:50"))


def segments(
    *, kind: str = "order.placed", person: dict[str, Any] | None = None, now: datetime = NOW, **fields: Any
) -> Any:
    body = OrderEvent(
        order_id="o-1", occurred_at=NOW - DAY, customer=TellsOf(**{"id": "c-1", **(person or {})}), **fields
    )
    order = orders.fold(Order("o-1"), kind, body)
    customer = customers.fold(Customer(customer_id="c-1"), body, body.occurred_at)
    return taken(SEGMENTATION, CAMPAIGN, customer, order, now)


def test_every_dimension() -> None:
    taken = segments(
        person={"country": "BR", "region": "SP", "tier": "gold", "first_order_at": NOW - 300 * DAY},
        items=[Item(category="toys"), Item(category="books"), Item(category="toys")],
        total=Money(amount=Decimal("100.00"), currency="BRL"),
        channel="web",
        attributes={"experiment": " B\n"},
        promised_at=NOW - DAY / 2,
    )
    assert {dimension for dimension in taken if "+" not in dimension} == set(DIMENSIONS)
    assert taken == {
        "country": "BR",
        "region": "SP",
        "category": ["books", "toys"],
        "tier": "gold",
        "cohort": "2025-08",
        "order_value": "BRL 100-300",
        "sales_channel": "web",
        "survey_channel": "email",
        "campaign": "service",
        "experiment": "B",
        "delivery": "late",
        "country+tier": "BR+gold",
        "country+category": ["BR+books", "BR+toys"],
    }


def test_what_is_not_known_is_absent() -> None:
    assert segments() == {"cohort": "2026-05", "survey_channel": "email", "campaign": "service"}


@pytest.mark.parametrize(
    ("amount", "currency", "band"),
    [
        ("99.99", "BRL", "BRL under 100"),
        ("300", "BRL", "BRL 300 and more"),
        ("50", "NOK", "NOK 50 and more"),
        ("-5", "NOK", "NOK under 50"),
    ],
)
def test_order_value_bands(amount: str, currency: str, band: str) -> None:
    assert segments(total=Money.model_validate({"amount": amount, "currency": currency}))["order_value"] == band


def test_delivery_is_on_time_up_to_the_promised_moment_and_late_after_it() -> None:
    """The order is delivered, or heard of, a day before NOW."""
    assert segments(kind="order.delivered", promised_at=NOW - DAY)["delivery"] == "on_time"
    assert segments(kind="order.delivered", promised_at=NOW - 2 * DAY)["delivery"] == "late"
    assert "delivery" not in segments(promised_at=NOW)
    assert segments(promised_at=NOW, now=NOW + timedelta(microseconds=1))["delivery"] == "late"


def test_an_audience_matches_segments_and_attributes() -> None:
    of_order = orders.fold(
        Order("o-1"),
        "order.placed",
        OrderEvent(order_id="o-1", occurred_at=NOW, customer=TellsOf(id="c-1"), attributes={"vip": "yes"}),
    )
    known: Segments = {"country": "BR", "category": ["books", "toys"]}
    assert matches({"country": ["NO", "BR"], "category": ["toys"], "attributes.vip": ["yes"]}, known, of_order)
    assert not matches({"country": ["NO"]}, known, of_order)
    assert not matches({"attributes.vip": ["yes"]}, known, None)
    assert not matches({"tier": ["gold"]}, known, of_order)


stored = st.characters(exclude_categories=["Cs"], exclude_characters="\x00")
labels = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=100)


@given(
    st.dictionaries(st.sampled_from(["country", "region", "tier"]), labels),
    st.lists(labels, max_size=40),
    st.text(stored, max_size=500),
)
def test_segments_always_keep_the_contract(person: dict[str, str], categories: list[str], experiment: str) -> None:
    found = segments(
        person=person, items=[Item(category=name) for name in categories], attributes={"experiment": experiment}
    )
    assert TypeAdapter(types.Segments).validate_python(found, strict=True) == found


def test_pairs_that_cannot_be_made_are_told_with_the_dimensions_there_are() -> None:
    with pytest.raises(ValueError, match=r"'country\+shoe' is not a pair of dimensions; join two of country, region"):
        parse_pairs("country+shoe")
    with pytest.raises(ValueError, match="has 21 pairs; the maximum is 20"):
        parse_pairs(",".join(["country+tier"] * 21))
