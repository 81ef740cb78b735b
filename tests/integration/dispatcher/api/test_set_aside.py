"""Whoever asks why a customer was not surveyed hears of events that were set aside."""

import httpx
import orjson
import pytest
from sqlalchemy import text

from shared.messaging.dead_letters import set_aside
from shared.messaging.records import DeadLetter
from shared.messaging.repository import dead_letters
from tests.integration.dispatcher.kit import Dispatcher, order_event

REASON = "occurred_at: is missing"


async def letters(dispatcher: Dispatcher, *records: tuple[bytes | None, bytes | None]) -> None:
    """Sets aside records with these keys and values."""
    found = [
        DeadLetter(
            topic="orders", partition=0, offset=offset, key=key, value=value, headers=(), reason=REASON, event_id="e-1"
        )
        for offset, (key, value) in enumerate(records)
    ]
    async with dispatcher.runtime.transaction() as connection:
        await set_aside(connection, "dispatcher", found, dispatcher.runtime.digests)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (b"c-1", b"{not json"),
        (b"o-1", None),
        (None, orjson.dumps({"order_id": "o-1"})),
        (b"\xff", orjson.dumps({"customer": {"id": "c-1"}})),
        (b"shop", orjson.dumps({"specversion": "1.0", "data": {"order_id": "o-9", "customer": {"id": "c-1"}}})),
        (None, orjson.dumps({"customer_id": "c-1", "campaign": 7})),
    ],
)
async def test_an_event_of_this_customer_or_order_was_set_aside(
    dispatcher: Dispatcher, client: httpx.AsyncClient, key: bytes | None, value: bytes | None
) -> None:
    await dispatcher.handle(order_event("placed", "o-1", "c-1"), order_event("placed", "o-2", "c-2"))
    await letters(dispatcher, (b"c-3", b"{}"), (key, value))
    body = (await client.get("/v1/customers/c-1/decisions")).json()
    (found,) = body["set_aside"]
    assert (found["letter_id"], found["reason"], found["state"]) == ("dispatcher/orders/0/1", REASON, "set_aside")
    assert "./hearback letters show dispatcher/orders/0/1" in found["explanation"] and REASON in found["explanation"]
    assert len(body["decisions"]) == 1
    assert (await client.get("/v1/customers/c-2/decisions")).json()["set_aside"] == []
    rows = await dispatcher.rows("SELECT subjects::text AS subjects FROM dead_letters")
    assert "c-1" not in str(rows) and "o-1" not in str(rows), "only keyed digests are kept"


async def test_a_customer_of_whom_nothing_else_is_known_is_told_of_the_dead_letter(
    dispatcher: Dispatcher, client: httpx.AsyncClient
) -> None:
    await letters(dispatcher, (b"c-1", b"{not json"))
    body = (await client.get("/v1/customers/c-1/decisions")).json()
    assert body["customer_known"] is False and "letters show dispatcher/orders/0/0" in body["hint"]


async def test_many_letters_about_one_key_are_bounded_and_the_index_is_used(dispatcher: Dispatcher) -> None:
    await letters(dispatcher, *((b"c-%d" % (number % 500), None) for number in range(5_000)))
    async with dispatcher.runtime.transaction() as connection:
        await connection.execute(text("ANALYZE dead_letters"))
        about = [dispatcher.runtime.digests.subject(f"c-{number}") for number in range(200)]
        assert len(await dead_letters.about(connection, about, most=20)) == 20
        plan = await connection.execute(
            text("EXPLAIN SELECT * FROM dead_letters WHERE subjects && CAST(:about AS text[]) LIMIT 1000"),
            {"about": about[:1]},
        )
        assert "dead_letters_about" in str(plan.scalars().all())
