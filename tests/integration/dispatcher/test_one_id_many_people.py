"""An id that several people share is not one person: nobody gets the survey about somebody else's order."""

from typing import Any

import pytest

from services.dispatcher.loops.erasures import ErasureLoop
from shared.contracts import shared_ids
from shared.contracts.cloudevents import Message
from tests.integration.dispatcher.kit import DAY, HOUR, START, Dispatcher, order_event, preference


@pytest.mark.parametrize("guest", ["0", "Guest", " anonymous", "-1", "00000000-0000-0000-0000-000000000000"])
async def test_guests_are_told_apart_by_their_address(dispatcher: Dispatcher, guest: str) -> None:
    await dispatcher.handle(
        order_event("placed", "o-1", guest, email="ana@example.com"),
        order_event("placed", "o-2", guest, email="bob@example.com"),
    )
    # The same person again, however they write themselves; and one of whom nothing is known.
    await dispatcher.handle(order_event("placed", "o-3", guest, email="ANA@example.com", at=START + HOUR / 2))
    await dispatcher.handle(order_event("placed", "o-4", guest, email=None))
    await dispatcher.pass_time(START + 2 * HOUR)
    sent = {survey["order_id"]: survey for survey in await dispatcher.published()}
    assert {name: survey["recipient"]["address"] for name, survey in sent.items()} in (
        {"o-1": "ana@example.com", "o-2": "bob@example.com"},
        {"o-1": "ANA@example.com", "o-2": "bob@example.com"},
    )
    for survey in sent.values():
        assert survey["customer_id"].startswith("guest-")
        assert "ana" not in survey["customer_id"]


async def test_an_id_with_many_addresses_is_not_one_person(dispatcher: Dispatcher) -> None:
    for number in range(5):
        await dispatcher.handle(order_event("placed", f"o-{number}", "web", email=f"p{number}@example.com"))
    # The sixth address tells that the id is shared: it is the address that counts, also for later events of the others.
    await dispatcher.handle(
        order_event("placed", "o-5", "web", email="p5@example.com"),
        order_event("delivered", "o-1", "web", email="p1@example.com", at=START + DAY),
    )
    await dispatcher.pass_time(START + HOUR)
    await dispatcher.pass_time(START + 31 * DAY)
    sent = [(one["order_id"], one["recipient"]["address"]) for one in await dispatcher.published()]
    assert sent == [("o-1", "p1@example.com"), ("o-5", "p5@example.com"), ("o-1", "p1@example.com")]
    assert ("skipped", "shared_id") in await dispatcher.outcomes("web")
    (shared,) = await dispatcher.rows("SELECT details::text AS details FROM customers WHERE customer_id = 'web'")
    assert shared == {"details": "{}"}, "whose address it would be is unknown"
    assert ("timer_cancelled", "shared_id") in await dispatcher.outcomes("web")


async def test_many_addresses_in_one_batch_are_told_apart_from_the_first(dispatcher: Dispatcher) -> None:
    await dispatcher.handle(
        *(order_event("placed", f"o-{number}", "web", email=f"p{number}@example.com") for number in range(9))
    )
    await dispatcher.pass_time(START + HOUR)
    sent = {one["order_id"]: one["recipient"]["address"] for one in await dispatcher.published()}
    assert sent == {f"o-{number}": f"p{number}@example.com" for number in range(9)}


async def test_a_person_with_a_few_addresses_is_one_person(dispatcher: Dispatcher) -> None:
    for number in range(5):
        await dispatcher.handle(order_event("placed", f"o-{number}", email=f"ana{number}@example.com"))
        await dispatcher.handle(order_event("placed", f"o-{number}", email=f"ANA{number}@example.com"))
    await dispatcher.pass_time(START + HOUR)
    assert len(await dispatcher.sends()) == 1


async def test_a_guest_who_unsubscribed_is_not_asked_under_the_next_order(dispatcher: Dispatcher) -> None:
    await dispatcher.handle(order_event("placed", "o-1", "0"))
    await dispatcher.pass_time(START + HOUR)
    (survey,) = await dispatcher.published()
    await dispatcher.handle(preference("unsubscribed", survey["customer_id"], address="ana@example.com"))
    await dispatcher.handle(order_event("placed", "o-2", "0", at=START + 200 * DAY))
    await dispatcher.pass_time(START + 200 * DAY + HOUR)
    assert len(await dispatcher.sends()) == 1


@pytest.mark.parametrize("first", ["placed", "delivered"])
async def test_an_event_without_an_address_belongs_to_the_guest_of_its_order(
    dispatcher: Dispatcher, first: str
) -> None:
    events = {
        "placed": order_event("placed", "o-1", "0"),
        "delivered": order_event("delivered", "o-1", "0", email=None, at=START + DAY),
    }
    await dispatcher.handle(events.pop(first))
    await dispatcher.handle(*events.values())
    await dispatcher.pass_time(START + 31 * DAY)
    assert {one["recipient"]["address"] for one in await dispatcher.published()} == {"ana@example.com"}


def of_web(number: int, milestone: str = "placed", **fields: Any) -> Message:
    """The order of one of those who share the id: ``p3@`` placed ``o-3``."""
    return order_event(milestone, f"o-{number}", "web", **{"email": f"p{number}@example.com", **fields})


async def test_that_an_id_is_many_peoples_is_told_once(dispatcher: Dispatcher) -> None:
    for number in range(8):
        await dispatcher.handle(of_web(number))
    await dispatcher.handle(order_event("placed", "o-0", "0"))
    (told,) = await dispatcher.published(shared_ids.TOPIC)
    assert told["customer_id"] == "web"


@pytest.mark.parametrize("known_by", ["address", "order"])
@pytest.mark.parametrize("when", ["after it was found out", "before it was found out"])
async def test_one_of_many_people_is_erased_with_what_they_ordered_before_that_was_known(
    dispatcher: Dispatcher, known_by: str, when: str
) -> None:
    guests = dispatcher.runtime.guests
    gone = guests.of_mailbox("p1@example.com") if known_by == "address" else guests.of_order("o-1")
    erasing = preference("erased", gone, at=START + HOUR)
    for number in range(5):
        await dispatcher.handle(of_web(number))
    if when == "before it was found out":
        await dispatcher.handle(erasing)
    await dispatcher.handle(*(of_web(number) for number in range(5, 8)))
    await dispatcher.handle(erasing)
    loop = ErasureLoop(dispatcher.runtime)
    while await loop.step():
        pass
    await dispatcher.pass_time(START + 2 * HOUR)
    for late in (of_web(1, "shipped", at=START + DAY), of_web(1, "paid", at=START + HOUR / 2)):
        await dispatcher.handle(late)
    rows = await dispatcher.rows("SELECT order_id, facts::text AS facts FROM orders")
    assert [row["order_id"] for row in rows if "train" not in row["facts"]] == ["o-1"]
    people = await dispatcher.rows("SELECT details::text AS details FROM customers")
    assert not [one for one in people if "p1@" in one["details"]]
    await dispatcher.pass_time(START + 31 * DAY)
    asked = {survey["recipient"]["address"] for survey in await dispatcher.published() if survey["order_id"]}
    assert {f"p{number}@example.com" for number in (5, 6, 7)} <= asked and "p1@example.com" not in asked


async def test_who_is_erased_by_an_order_is_erased_with_all_their_orders(dispatcher: Dispatcher) -> None:
    await dispatcher.handle(
        order_event("placed", "o-1", "0", email="ana@example.com"),
        order_event("placed", "o-2", "0", email="ana@example.com"),
        order_event("placed", "o-3", "0", email="bo@example.com"),
    )
    await dispatcher.handle(preference("erased", dispatcher.runtime.guests.of_order("o-2"), at=START + HOUR))
    rows = await dispatcher.rows("SELECT order_id, facts::text AS facts FROM orders")
    assert [row["order_id"] for row in rows if "train" in row["facts"]] == ["o-3"]
    await dispatcher.pass_time(START + 2 * HOUR)
    assert {survey["recipient"]["address"] for survey in await dispatcher.published()} == {"bo@example.com"}


async def test_an_erasure_by_an_order_that_comes_before_the_order_holds(dispatcher: Dispatcher) -> None:
    await dispatcher.handle(preference("erased", dispatcher.runtime.guests.of_order("o-1"), at=START + HOUR))
    await dispatcher.handle(order_event("placed", "o-1", "0", email="ana@example.com"))
    rows = await dispatcher.rows("SELECT facts::text AS facts FROM orders")
    assert "train" not in rows[0]["facts"]
    await dispatcher.pass_time(START + 2 * HOUR)
    assert await dispatcher.published() == []


async def test_nobodys_own_id_is_erased_with_a_guest_who_wrote_the_same_address(dispatcher: Dispatcher) -> None:
    await dispatcher.handle(order_event("placed", "o-1", "c-1"))
    for gone in (dispatcher.runtime.guests.of_mailbox("ana@example.com"), dispatcher.runtime.guests.of_order("o-1")):
        await dispatcher.handle(preference("erased", gone, at=START + HOUR))
    await dispatcher.pass_time(START + 2 * HOUR)
    assert await dispatcher.published() != []
