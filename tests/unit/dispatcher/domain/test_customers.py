"""How a customer is reached, whether they allow it, and what an erasure leaves of them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.dispatcher.domain import customers
from services.dispatcher.domain.customers import Customer
from shared.contracts.orders import Customer as TellsOf
from shared.contracts.orders import OrderEvent
from shared.contracts.preferences import ChannelPreference, ChannelState, Preference
from shared.persistence.stored import read_stored

START = datetime(2026, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def event(day: float = 0, *, customer: dict[str, Any]) -> OrderEvent:
    return OrderEvent(order_id="o-1", occurred_at=START + day * DAY, customer=TellsOf(**{"id": "c-1", **customer}))


def preference(state: ChannelState, address: str | None = None) -> ChannelPreference:
    return ChannelPreference(channel="email", state=state, address=address, changed_at=START)


def test_a_bounce_is_about_an_address_and_an_unsubscription_about_the_person() -> None:
    customer = customers.fold(Customer(customer_id="c-1"), event(customer={"email": "new@example.com"}), START)

    def with_(entry: ChannelPreference) -> str | None:
        asked = Customer(customer_id="c-1", details=customer.details, channels={"email": entry})
        return asked.unreachable_by("email", {})

    assert with_(preference("allowed")) is None
    assert with_(preference("bounced", "old@example.com")) is None
    assert with_(preference("bounced", "NEW@example.com")) == "bounced"
    assert with_(preference("bounced")) == "bounced"
    assert with_(preference("unsubscribed", "old@example.com")) == "unsubscribed"
    assert with_(preference("complained", "old@example.com")) == "complained"
    assert customer.unreachable_by("email", {"sms": "unsubscribed"}) is None
    assert customer.unreachable_by("email", {"email": "unsubscribed"}) == "unsubscribed"
    assert customer.unreachable_by("email", {"email": "bounced"}) == "bounced"
    assert Customer(customer_id="c-1").unreachable_by("email", {}) == "no_address"


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("a..b@example.jp", None),
        ("ana＠example.jp", None),
        ("\u200bana@example.com", None),
        ("  ", "no_address"),
        ("ana", "unusable_address"),
        ("ana@exa mple.com", "unusable_address"),
        ("ana@example..com", "unusable_address"),
    ],
)
def test_who_can_be_written_to_is_and_the_others_are_told_apart(address: str, reason: str | None) -> None:
    customer = Customer(customer_id="c-1", details={"email": (0, address)})
    assert customer.unreachable_by("email", {}) == reason


@given(st.lists(st.integers(0, 6), max_size=6), st.integers(0, 6), st.data())
def test_an_erasure_forgets_what_was_said_before_it_wherever_it_comes_in(
    days: list[int], erased_on: int, data: st.DataObject
) -> None:
    """Events from before the erasure bring nothing back, and those after it stay."""
    events = [event(day, customer={"email": f"{day}@example.com", "tier": "gold"}) for day in days]
    at = START + erased_on * DAY
    place = data.draw(st.integers(0, len(events)))
    customer = Customer(customer_id="c-1")
    for index, body in enumerate(events):
        if index == place:
            customer = customers.erase(customer, at)
        customer = customers.fold(customer, body, body.occurred_at)
    if place == len(events):
        customer = customers.erase(customer, at)
    after = [day for day in days if day > erased_on]
    assert customer.detail("email") == (f"{max(after)}@example.com" if after else None)
    assert customer.detail("tier") == ("gold" if after else None)


def test_the_newest_preference_holds_whatever_order_they_come_in() -> None:
    def revision(number: int, state: ChannelState) -> Preference:
        return Preference(customer_id="c-1", revision=number, channels=[preference(state)], occurred_at=START)

    newer = customers.prefer(Customer(customer_id="c-1"), revision(2, "unsubscribed"))
    assert newer.channels["email"].state == "unsubscribed"
    assert customers.prefer(newer, revision(1, "allowed")) == newer
    assert customers.prefer(newer, revision(2, "allowed")) == newer
    assert customers.prefer(newer, revision(3, "allowed")).channels["email"].state == "allowed"


@pytest.mark.parametrize("state", ["unsubscribed", "complained"])
def test_an_erasure_keeps_what_a_channel_may_be_used_for_and_forgets_its_address(state: ChannelState) -> None:
    told = Preference(customer_id="c-1", revision=2, channels=[preference(state, "ana@example.com")], occurred_at=START)
    erased = customers.erase(customers.prefer(Customer(customer_id="c-1"), told), START + DAY)
    assert erased.channels == {"email": preference(state)}
    assert erased.unreachable_by("email", {}) == state


def test_an_order_from_before_the_erasure_tells_nothing_however_late_its_event() -> None:
    erased = customers.erase(Customer(customer_id="c-1"), START)
    late = event(9, customer={"email": "ana@example.com"})
    assert customers.fold(erased, late, START) == erased
    assert customers.fold(erased, late, START + DAY).detail("email") == "ana@example.com"


def test_a_state_that_only_a_newer_release_knows_forbids_to_write() -> None:
    """It may be another way of saying no."""
    written = '[{"channel": "email", "state": "paused", "changed_at": "2026-03-01T00:00:00Z"}]'
    (paused,) = read_stored(list[ChannelPreference], written)
    customer = Customer(customer_id="c-1", details={"email": (0, "ana@example.com")}, channels={"email": paused})
    assert customer.unreachable_by("email", {}) == "unsubscribed"
    assert customers.prefer(customer, Preference(customer_id="c-1", revision=1, occurred_at=START)).channels == {}
