"""An id that several people share is not one person: nobody gets the survey about somebody else's order."""

import pytest

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
