"""How to reach a customer does not depend on the order in which it was told."""

import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.alerter.domain.customers import Customer, of_case, who_ordered, with_order, with_send
from shared.contracts import orders
from shared.contracts.orders import Customer as Told
from shared.contracts.orders import OrderEvent
from shared.contracts.sends import Recipient
from tests.unit.alerter.domain.test_orders import events
from tests.unit.alerter.examples import NOON, order, send


def customer_after(told: list[tuple[str, OrderEvent]]) -> Customer:
    known = Customer(customer_id="c-42")
    for _, event in told:
        known = with_order(known, event)
    return known


@given(st.lists(events(), min_size=1, max_size=6).flatmap(lambda told: st.tuples(st.just(told), st.permutations(told))))
def test_customers_are_the_same_in_whatever_order_they_are_told_of(
    told: tuple[list[tuple[str, OrderEvent]], list[tuple[str, OrderEvent]]],
) -> None:
    in_order, shuffled = told
    assert customer_after(in_order) == customer_after([*shuffled, *in_order])


def test_a_newer_address_stays() -> None:
    old = (orders.PLACED, order(at=NOON, customer=Told(id="c-42", email="old@example.com", name="Ana")))
    new = (orders.PLACED, order(at=NOON + timedelta(days=1), customer=Told(id="c-42", email="new@example.com")))
    known = customer_after([new, old])
    assert (known.email, known.name) == ("new@example.com", "Ana")


def test_the_address_of_a_send_counts_as_its_channel_says() -> None:
    known = with_send(Customer(customer_id="c-42"), send(channel="sms", recipient=Recipient(address="+47 22 00 00 00")))
    assert (known.phone, known.email, known.locale) == ("+47 22 00 00 00", None, "pt-BR")


def test_a_customer_reads_back_as_stored() -> None:
    known = with_order(Customer(customer_id="c-42"), order())
    assert Customer.model_validate_json(known.model_dump_json(exclude_none=True)) == known


def test_what_programs_write_for_no_name_is_none() -> None:
    known = Customer(customer_id="c-42").with_details(NOON, name="Ana Prado")
    for told in ("null", "undefined", "N/A", "-", "\u200b", "", "guest"):
        assert known.with_details(NOON + timedelta(hours=1), name=told).name == "Ana Prado", told
        assert Customer.model_validate_json(json.dumps({"customer_id": "c-42", "name": told})).name is None, told
    long = "Maria " + "da Conceição " * 6
    assert known.with_details(NOON + timedelta(hours=1), name=long).name == long.strip()


@given(st.lists(events(), min_size=1, max_size=6).flatmap(lambda told: st.tuples(st.just(told), st.permutations(told))))
def test_who_ordered_is_the_same_in_whatever_order_the_events_of_an_order_come(
    told: tuple[list[tuple[str, OrderEvent]], list[tuple[str, OrderEvent]]],
) -> None:
    after = []
    for events_in_some_order in told:
        who = None
        for _, event in events_in_some_order:
            who = who_ordered(who, event)
        after.append(who)
    assert after[0] is not None and after[0] == after[1]


@pytest.mark.parametrize(
    ("ordered", "known", "shown"),
    [
        # Of somebody else, nothing is shown.
        ({"email": "ana@example.com"}, {"email": "gil@example.com", "name": "Gil", "phone": "+47"}, "ana@example.com"),
        ({"name": "Ana"}, {"email": "gil@example.com", "name": "Gil"}, None),
        # The same mailbox is the same person, and so is the same name where nothing else is said.
        ({"email": "Ana@example.com"}, {"email": "ana@example.com", "name": "Ana"}, "ana@example.com"),
        ({"name": "Ana"}, {"email": "new@example.com", "name": "Ana"}, "new@example.com"),
        ({}, {"email": "ana@example.com", "name": "Ana"}, "ana@example.com"),
        ({"email": "ana@example.com", "name": "Ana"}, {}, "ana@example.com"),
    ],
)
def test_the_case_of_an_order_shows_what_it_says_and_of_others_only_what_is_the_same_persons(
    ordered: dict[str, str], known: dict[str, str], shown: str | None
) -> None:
    of_order = Customer(customer_id="web", **ordered)
    case = of_case(of_order, Customer(customer_id="web", **known))
    assert case is not None and case.email == shown
    if case.email != known.get("email"):
        assert (case.name, case.phone) == (of_order.name, of_order.phone)
    assert of_case(of_order, None) == of_order and of_case(None, of_order) == of_order
