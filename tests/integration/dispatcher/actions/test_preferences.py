"""An erasure removes a customer's data, however often and late anything arrives again."""

import pytest
from sqlalchemy import text

from services.dispatcher.actions import erasures
from services.dispatcher.loops.erasures import ErasureLoop
from shared.contracts.sends import Recipient, SurveySent
from shared.messaging import dead_letters
from shared.messaging.records import DeadLetter
from shared.messaging.repository.outbox import unpack_headers
from tests.integration.dispatcher.kit import DAY, HOUR, START, Dispatcher, order_event, preference


async def test_an_erased_person_leaves_nothing_but_ids(dispatcher: Dispatcher) -> None:
    await dispatcher.handle(order_event("placed", attributes={"gift_for": "Ana"}), order_event("placed", "o-2"))
    await dispatcher.pass_time(START + HOUR)
    await dispatcher.handle(preference("bounced", address="ana@old.example", at=START + HOUR))
    async with dispatcher.runtime.engine.begin() as connection:
        await connection.execute(text("DELETE FROM outbox"))  # as the relay does once Kafka has it
    erased = preference("erased", revision=2, at=START + DAY)
    await dispatcher.handle(erased)
    assert await dispatcher.timers() == {}
    # What was on its way, or is told again, brings nothing back.
    await dispatcher.handle(erased)
    await dispatcher.handle(order_event("paid", at=START + 2 * HOUR, attributes={"gift_for": "Ana"}))
    await dispatcher.handle(order_event("delivered", "o-1", at=START + 3 * HOUR))
    tables = await dispatcher.rows(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()"
    )
    for table in (row["table_name"] for row in tables):
        for row in await dispatcher.rows(f"SELECT t::text AS whole FROM {table} AS t"):
            assert "ana" not in row["whole"].lower(), table
            assert "wooden" not in row["whole"] or table == "orders"
    assert await dispatcher.timers() == {}
    assert ("timer_cancelled", "erased") in await dispatcher.outcomes()
    assert (await dispatcher.outcomes())[-1] == ("no_timer", "erased")
    # Who comes back is a customer like any other.
    await dispatcher.handle(order_event("placed", "o-9", at=START + 100 * DAY))
    await dispatcher.pass_time(START + 100 * DAY + HOUR)
    assert ("service-nps", "o-9", START + 100 * DAY + HOUR) in await dispatcher.sends()


async def test_what_could_not_be_published_yet_forgets_an_erased_person(dispatcher: Dispatcher) -> None:
    """In the outbox, while the broker is away, and where events are set aside that it refuses."""
    await dispatcher.handle(order_event("placed"), order_event("placed", "o-2", "c-10", email="bob@example.com"))
    await dispatcher.pass_time(START + HOUR)
    async with dispatcher.runtime.transaction() as connection:
        for key, value in (
            (None, b'{"customer": {"id": "c-1", "email": "ana@example.com"}, '),
            (b"c-1", b"ana@example.com;"),
            (b"c-10", b'{"customer": {"id": "c-10", "email": "bob@example.com"}, '),
        ):
            letter = DeadLetter(
                topic="orders", partition=0, offset=len(value), key=key, value=value, headers=(), reason="is not JSON"
            )
            await dead_letters.set_aside(connection, "dispatcher", [letter], dispatcher.runtime.digests)
        await connection.execute(
            text(
                "INSERT INTO outbox_set_aside (id, topic, key, headers, value, created_at)"
                " SELECT id + 1000, topic, key, headers, value, created_at FROM outbox"
            )
        )
    erased = preference("erased", at=START + DAY)
    await dispatcher.handle(erased)
    await dispatcher.handle(erased)
    for table in ("outbox", "outbox_set_aside"):
        waiting = await dispatcher.rows(f"SELECT topic, value, headers FROM {table} ORDER BY id")
        values = [bytes(row["value"]) for row in waiting]
        assert [value for value in values if b"ana@example.com" in value] == []
        assert sum(b"bob@example.com" in value for value in values) == 2, "nobody else is forgotten"
        ours, theirs = sorted(
            (SurveySent.model_validate_json(bytes(row["value"])) for row in waiting if row["topic"] == "surveys.sends"),
            key=lambda survey: survey.customer_id,
        )
        assert (ours.order_id, ours.recipient, ours.product) == ("o-1", Recipient(address="erased"), None)
        assert theirs.recipient.address == "bob@example.com"
        letters = [unpack_headers(row["headers"]) for row in waiting if row["topic"].endswith(".dlq")]
        assert [("hearback-value", b"erased") in headers for headers in letters] == [True, True, False]
        assert all(("hearback-topic", b"orders") in headers for headers in letters)


async def test_a_survey_from_after_the_erasure_is_published_as_it_is(dispatcher: Dispatcher) -> None:
    """The erasure is read late; who came back is a customer like any other."""
    await dispatcher.handle(order_event("placed", at=START + 2 * DAY))
    await dispatcher.pass_time(START + 2 * DAY + HOUR)
    await dispatcher.handle(preference("erased", at=START + DAY))
    (row,) = await dispatcher.rows("SELECT value FROM outbox WHERE topic = 'surveys.sends'")
    assert b"ana@example.com" in bytes(row["value"])


async def test_an_order_from_before_the_erasure_brings_nobody_back(dispatcher: Dispatcher) -> None:
    await dispatcher.handle(order_event("placed"))
    await dispatcher.handle(preference("erased", at=START + DAY))
    await dispatcher.handle(order_event("delivered", at=START + 5 * DAY))
    (customer,) = await dispatcher.rows("SELECT details::text AS details, first_event_at FROM customers")
    assert customer == {"details": "{}", "first_event_at": None}
    await dispatcher.pass_time(START + 5 * DAY + 91 * DAY)
    assert await dispatcher.sends() == []


async def test_an_order_that_turns_out_to_be_older_than_the_erasure_takes_its_details_away(
    dispatcher: Dispatcher,
) -> None:
    await dispatcher.handle(preference("erased", at=START + DAY))
    await dispatcher.handle(order_event("delivered", at=START + 5 * DAY))
    await dispatcher.handle(order_event("placed", at=START))
    (customer,) = await dispatcher.rows("SELECT details::text AS details FROM customers")
    assert customer == {"details": "{}"}


async def test_who_unsubscribed_stays_unsubscribed_after_an_erasure(dispatcher: Dispatcher) -> None:
    await dispatcher.handle(order_event("placed"), order_event("placed", "o-2", "c-2", email="bob@example.com"))
    # Also when both are in one batch.
    await dispatcher.handle(
        preference("unsubscribed", address="ana@example.com"), preference("erased", revision=2, at=START + DAY)
    )
    await dispatcher.handle(preference("complained", "c-2", address="bob@example.com"))
    await dispatcher.handle(preference("erased", "c-2", revision=2, at=START + DAY))
    # A new address of the same person, and the same address under a new id.
    await dispatcher.handle(
        order_event("placed", "o-3", at=START + 2 * DAY, email="ana@new.example"),
        order_event("placed", "o-4", "c-4", at=START + 2 * DAY, email="Bob@EXAMPLE.com"),
        order_event("placed", "o-5", "c-5", at=START + 2 * DAY, email="eve@example.com"),
    )
    await dispatcher.pass_time(START + 2 * DAY + HOUR)
    assert [order for _, order, _ in await dispatcher.sends()] == ["o-5"]
    assert (await dispatcher.outcomes("c-1"))[-1] == ("skipped", "unsubscribed")
    assert (await dispatcher.outcomes("c-4"))[-1] == ("skipped", "complained")
    for row in await dispatcher.rows("SELECT s::text AS whole FROM suppressions AS s"):
        assert not {"c-1", "ana@example.com", "bob@example.com"} & set(row["whole"].strip("()").split(","))


async def test_what_was_said_about_a_mailbox_holds_under_every_customer_id(dispatcher: Dispatcher) -> None:
    await dispatcher.handle(
        preference("unsubscribed", "c-1", address="Twin@example.com"),
        preference("bounced", "c-2", address="gone@bücher.example"),
    )
    twins = ("twin@example.com", "GONE@xn--bcher-kva.example", "other@example.com")
    await dispatcher.handle(
        *(order_event("placed", f"o-{n}", f"c-1{n}", email=address) for n, address in enumerate(twins))
    )
    await dispatcher.pass_time(START + HOUR)
    assert [order for _, order, _ in await dispatcher.sends()] == ["o-2"]
    assert (await dispatcher.outcomes("c-10"))[-1] == ("skipped", "unsubscribed")
    assert (await dispatcher.outcomes("c-11"))[-1] == ("skipped", "bounced")


async def test_an_unsubscription_without_an_address_is_about_the_one_known(dispatcher: Dispatcher) -> None:
    await dispatcher.handle(order_event("placed"))
    await dispatcher.handle(preference("unsubscribed"))
    await dispatcher.handle(order_event("placed", "o-2", "c-2", email="ANA@example.com"))
    await dispatcher.pass_time(START + HOUR)
    assert await dispatcher.sends() == []


async def test_the_last_word_about_a_mailbox_counts_whichever_arrives_first(dispatcher: Dispatcher) -> None:
    await dispatcher.handle(order_event("placed", "o-9", "c-9", email="twin@example.com"))
    await dispatcher.handle(preference("resubscribed", "c-2", at=START + HOUR / 2, address="twin@example.com"))
    await dispatcher.handle(preference("unsubscribed", "c-1", at=START, address="twin@example.com"))
    await dispatcher.pass_time(START + HOUR)
    assert len(await dispatcher.sends()) == 1
    # A complaint is not taken back by a subscription.
    await dispatcher.handle(order_event("placed", "o-8", "c-8", email="spam@example.com"))
    await dispatcher.handle(preference("complained", "c-3", at=START, address="spam@example.com"))
    await dispatcher.handle(preference("resubscribed", "c-4", at=START + HOUR / 2, address="spam@example.com"))
    await dispatcher.decide()
    assert len(await dispatcher.sends()) == 1


async def test_an_erasure_that_arrives_after_a_later_event_of_an_old_order_forgets_it_all(
    dispatcher: Dispatcher,
) -> None:
    await dispatcher.handle(order_event("placed"), order_event("delivered", at=START + 5 * DAY))
    await dispatcher.handle(
        order_event("placed", "o-2", "c-2"), order_event("placed", "o-3", "c-2", at=START + 5 * DAY)
    )
    await dispatcher.handle(preference("erased", at=START + DAY), preference("erased", "c-2", at=START + DAY))
    kept = await dispatcher.rows("SELECT details::text AS details FROM customers ORDER BY customer_id")
    assert kept[0] == {"details": "{}"}
    assert "ana@example.com" in kept[1]["details"], "that of an order from after the erasure stays"


async def test_an_erasure_of_an_id_with_very_many_orders_goes_in_slices(
    dispatcher: Dispatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasures, "ORDERS_AT_ONCE", 10)
    orders = [order_event("placed", f"o-{n:02}", attributes={"gift_for": "Ana"}) for n in range(35)]
    await dispatcher.handle(*orders, order_event("placed", "o-99", at=START + 2 * DAY, attributes={"gift_for": "Eve"}))
    await dispatcher.handle(preference("erased", at=START + DAY))

    async def left() -> tuple[int, int]:
        (orders,) = await dispatcher.rows("SELECT count(*) AS n FROM orders WHERE facts::text LIKE '%Ana%'")
        (timers,) = await dispatcher.rows("SELECT count(*) AS n FROM timers WHERE order_id <> 'o-99'")
        return orders["n"], timers["n"]

    assert await left() == (25, 25)
    loop, steps = ErasureLoop(dispatcher.runtime), 0
    while await loop.step():
        steps += 1
    assert (await left(), steps) == ((0, 0), 3)
    assert await dispatcher.timers() == {"service-nps o-99": START + 2 * DAY + HOUR}
    (newer,) = await dispatcher.rows("SELECT facts::text AS facts FROM orders WHERE order_id = 'o-99'")
    assert "Eve" in newer["facts"]
    assert await dispatcher.rows("SELECT 1 FROM erasures") == []
    cancelled = [outcome for outcome in await dispatcher.outcomes() if outcome == ("timer_cancelled", "erased")]
    assert len(cancelled) == 36, "one survey of each order, and the recurring one"
