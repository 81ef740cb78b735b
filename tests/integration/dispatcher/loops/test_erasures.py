"""An erasure that is carried on in slices, with something stored that cannot be read."""

from datetime import timedelta

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from services.dispatcher.actions import erasures
from services.dispatcher.loops.erasures import ErasureLoop
from tests.integration.dispatcher.kit import DAY, START, Dispatcher, order_event, preference

SPOILT = (
    '{"happened": {"order.placed": "soon"}, "details": {"product": [0, "for Ana"]}}',
    '{"happened": [], "details": {"product": [0, "for Ana"]}}',
    '{"total": {"amount": "1"}, "details": {"product": [0, "for Ana"]}}',
    '["for Ana"]',
)


async def change(dispatcher: Dispatcher, statement: str, **values: str) -> None:
    async with dispatcher.runtime.transaction() as connection:
        await connection.execute(text(statement), values)


async def with_gifts(dispatcher: Dispatcher, *customer_ids: str) -> None:
    for customer_id in customer_ids:
        await dispatcher.handle(
            *(
                order_event("placed", f"o-{customer_id}-{n}", customer_id, attributes={"gift_for": "Ana"})
                for n in range(6)
            )
        )


async def gifts_of(dispatcher: Dispatcher, customer_id: str) -> int:
    (found,) = await dispatcher.rows(
        "SELECT count(*) AS n FROM orders WHERE order_id LIKE :like AND facts::text LIKE '%Ana%'",
        like=f"o-{customer_id}-%",
    )
    return int(found["n"])


@pytest.mark.parametrize("spoilt", SPOILT)
async def test_an_order_that_cannot_be_read_is_emptied_like_the_others(
    dispatcher: Dispatcher, monkeypatch: pytest.MonkeyPatch, spoilt: str
) -> None:
    """In the slice handled with the event, and in those of the loop; whose it was is kept."""
    monkeypatch.setattr(erasures, "ORDERS_AT_ONCE", 2)
    await with_gifts(dispatcher, "c-1", "c-2")
    await dispatcher.handle(order_event("placed", "o-c-1-9", "c-1", at=START + 2 * DAY))
    for order_id in ("o-c-1-0", "o-c-1-4"):
        await change(
            dispatcher,
            "UPDATE orders SET facts = CAST(:facts AS jsonb) WHERE order_id = :order_id",
            facts=spoilt,
            order_id=order_id,
        )
    await change(
        dispatcher,
        "UPDATE orders SET facts = CAST(:facts AS jsonb) WHERE order_id = 'o-c-1-9'",
        facts=spoilt.replace("Ana", "Eve"),
    )
    with capture_logs() as logs:
        await dispatcher.handle(
            preference("erased", "c-1", at=START + DAY), preference("erased", "c-2", at=START + DAY)
        )
        loop = ErasureLoop(dispatcher.runtime)
        for _ in range(20):
            if not await loop.step():
                break
    assert (await gifts_of(dispatcher, "c-1"), await gifts_of(dispatcher, "c-2")) == (0, 0)
    assert await dispatcher.rows("SELECT 1 FROM erasures") == []
    rows = await dispatcher.rows("SELECT customer_id, facts::text AS facts FROM orders WHERE order_id LIKE 'o-c-1-%'")
    assert {row["customer_id"] for row in rows} == {"c-1"}
    assert sum("Eve" in row["facts"] for row in rows) == 1, "an order from after the erasure is left as it is"
    told = [entry for entry in logs if entry["log_level"] == "error"]
    assert sum(entry["orders"] for entry in told) == 2 and "c-1" not in str(told)
    # What is left can be read again.
    await dispatcher.handle(order_event("delivered", "o-c-1-0", "c-1", at=START + 3 * DAY))


async def test_who_cannot_be_read_is_put_aside_and_the_others_are_erased(
    dispatcher: Dispatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasures, "ORDERS_AT_ONCE", 2)
    await with_gifts(dispatcher, "c-1", "c-2", "c-3")
    await dispatcher.handle(*(preference("erased", f"c-{n}", at=START + DAY) for n in (1, 2, 3)))
    (kept,) = await dispatcher.rows("SELECT channels::text AS channels FROM customers WHERE customer_id = 'c-1'")
    await change(dispatcher, """UPDATE customers SET channels = '[{"channel": "pigeon"}]' WHERE customer_id = 'c-1'""")
    loop = ErasureLoop(dispatcher.runtime)
    with capture_logs() as logs:
        steps = 0
        while await loop.step():
            steps += 1
            assert steps < 20, "it goes on for ever with the one at fault"
    assert [await gifts_of(dispatcher, f"c-{n}") for n in (1, 2, 3)] == [4, 0, 0]
    (told,) = [entry for entry in logs if entry["log_level"] == "error"]
    assert told["tries"] == 1 and "c-1" not in str(told) and "pigeon" not in str(told)

    # It is tried again later, less and less often, and finished once its data can be read.
    (aside,) = await dispatcher.rows("SELECT customer_id, tries, retry_at - now() AS pause FROM erasures")
    assert aside["customer_id"] == "c-1" and timedelta(0) < aside["pause"] <= timedelta(minutes=2)
    await change(dispatcher, "UPDATE erasures SET retry_at = now()")
    assert await loop.step()
    (again,) = await dispatcher.rows("SELECT tries, retry_at - now() AS pause FROM erasures")
    assert again["tries"] == 2 and again["pause"] > aside["pause"]
    await change(
        dispatcher, "UPDATE customers SET channels = CAST(:kept AS jsonb) WHERE customer_id = 'c-1'", **kept_as(kept)
    )
    await change(dispatcher, "UPDATE erasures SET retry_at = now()")
    while await loop.step():
        pass
    assert await gifts_of(dispatcher, "c-1") == 0
    assert await dispatcher.rows("SELECT 1 FROM erasures") == []


def kept_as(row: dict[str, str]) -> dict[str, str]:
    return {"kept": row["channels"]}
