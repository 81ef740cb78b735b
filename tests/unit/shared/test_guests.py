"""Customer ids that are no one's, and the people who ordered under them."""

import pytest

from shared.contracts.orders import Customer
from shared.digests import CustomerDigests
from shared.guests import Guests

GUESTS = Guests(["guest", " Walk-in "], CustomerDigests("x" * 32))


@pytest.mark.parametrize("written", ["0", "000", "-", " ", "0-0", "{0000-0000}", "GUEST", "walk-in "])
def test_ids_that_stand_for_anybody(written: str) -> None:
    assert GUESTS.shares(written)


@pytest.mark.parametrize("written", ["1", "10", "c-0", "guest-1", "å", "00a", "/", "🙂"])
def test_ids_that_are_someones(written: str) -> None:
    assert not GUESTS.shares(written)


def test_a_guest_is_known_by_the_address_else_by_the_order() -> None:
    def person(order_id: str, email: str | None = None, phone: str | None = None) -> str:
        return GUESTS.person(Customer(id="0", email=email, phone=phone), order_id)

    assert person("o-1", email="Ana@example.com") == person("o-2", email="ana@EXAMPLE.com", phone="+55")
    assert person("o-1", email="ana@example.com") != person("o-1", email="bob@example.com")
    assert person("o-1", phone="+55") == person("o-2", phone="+55")
    assert person("o-1") == GUESTS.of_order("o-1") != person("o-2")
    assert "ana" not in person("o-1", email="ana@example.com")


def test_whoever_placed_an_order_is_known_by_each_address_and_by_the_order_first_as_who_they_are() -> None:
    who = Customer(id="0", email="ana@example.com", phone="+55")
    ids = GUESTS.ids_of("o-1", email=who.email, phone=who.phone)
    assert ids == [GUESTS.of_mailbox("ana@example.com"), GUESTS.of_mailbox("+55"), GUESTS.of_order("o-1")]
    assert ids[0] == GUESTS.person(who, "o-1")
    assert GUESTS.ids_of("o-1", email=None, phone=None) == [GUESTS.of_order("o-1")]
