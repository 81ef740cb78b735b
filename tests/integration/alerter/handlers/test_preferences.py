"""A customer's erasure is complete and final, for any order and concurrency of events."""

import asyncio
import hashlib
from datetime import timedelta

from sqlalchemy import text

from services.alerter.domain.orders import with_event
from services.alerter.loops.retention import RetentionLoop
from services.alerter.repository import customers
from services.alerter.repository import orders as stored_orders
from services.alerter.repository.orders import StoredOrder
from shared.contracts import orders, preferences, sends
from shared.contracts.cloudevents import Message
from shared.contracts.identity import case_id
from shared.contracts.types import Contract
from tests.integration.alerter.kit import Alerter, Open
from tests.kit.locks import held_up
from tests.kit.messages import message
from tests.unit.alerter.examples import CASE, NOON, answer, erased_customer, order, send


async def test_what_was_told_of_a_customer_before_the_erasure_does_not_come_back(alerter: Alerter) -> None:
    await alerter.handle("customers.preferences", (preferences.ERASED, erased_customer()))
    await alerter.handle("orders", (orders.PLACED, order(at=NOON - timedelta(days=3))))
    await alerter.handle("surveys.sends", (sends.SENT, send(at=NOON)))
    await alerter.receive(answer(1, customer_id="c-42", comment="Secret"))
    await alerter.assert_nowhere("ana", "secret", "c-42", "train")
    assert await alerter.published() == []
    alerter.clock.pass_time(days=3)
    await alerter.handle("orders", (orders.PLACED, order("1002", at=NOON + timedelta(days=3))))
    await alerter.handle("customers.preferences", (preferences.ERASED, erased_customer()))
    assert len(await alerter.query("SELECT 1 FROM customer_orders")) == 1


async def test_a_customer_erased_takes_the_cases_along(alerter: Alerter) -> None:
    await alerter.receive(
        answer(1, customer_id="c-42", comment="Secret"),
        answer(1, answer_id="a-2", customer_id="c-42", received_at=NOON + timedelta(days=1)),
        answer(1, answer_id="a-3", customer_id="c-43"),
    )
    await alerter.handle("customers.preferences", (preferences.ERASED, erased_customer()))
    told = await alerter.published()
    assert [(one.key, one.type) for one in told[2:]] == [(CASE, "case.closed")]


async def test_what_could_not_be_published_yet_forgets_the_person(alerter: Alerter) -> None:
    """A case that has moved, of whose queues neither topic has had a record: what remains is what compaction keeps."""
    await alerter.handle("orders", (orders.PLACED, order(at=NOON - timedelta(days=3))))
    await alerter.receive(
        answer(9, customer_id="c-42", comment="Secret"), answer(9, answer_id="a-3", comment="no secret")
    )
    await alerter.receive(answer(1, revision=2, customer_id="c-42", comment="Secret"))
    before = await alerter.standing()
    await alerter.handle("customers.preferences", (preferences.ERASED, erased_customer()))
    told = await alerter.published()
    assert {(one.topic, one.key, one.type) for one in told} == {
        ("followups.promoters", CASE, "case.closed"),
        ("followups.promoters", case_id("a-3"), "case.opened"),
        ("followups.detractors", CASE, "case.closed"),
    }
    assert len(told) == len(before)
    assert not [one for one in told if one.key == CASE and (one.body.get("answer") or one.body.get("customer"))]


async def test_an_order_and_its_customers_erasure_at_once_leave_nothing(open_alerter: Open) -> None:
    first, second = await open_alerter(), await open_alerter()
    for number in range(20):
        who = f"c-{number}"
        await asyncio.gather(
            first.handle("orders", (orders.PLACED, order(f"o-{number}", who))),
            second.handle("customers.preferences", (preferences.ERASED, erased_customer(who))),
        )
    await first.assert_nowhere("ana", "train")


async def test_an_erasure_waits_for_an_order_under_way_and_takes_it_along(open_alerter: Open) -> None:
    first, second = await open_alerter(), await open_alerter()
    key = first.runtime.digests.key("c-42")
    await first.handle("orders", (orders.PLACED, order(at=NOON - timedelta(days=1))))
    async with first.runtime.transaction() as connection:
        locked = await customers.lock(connection, first.runtime.digests, [key])
        erasing = asyncio.create_task(second.handle("customers.preferences", (preferences.ERASED, erased_customer())))
        await held_up(first.runtime, erasing)
        known = locked[key].customer
        assert known is not None
        await customers.save(connection, {key: known})
        await stored_orders.save(connection, [StoredOrder(with_event(None, orders.PAID, order()), key)])
    await erasing
    await first.assert_nowhere("ana", "train")


LATER = NOON + timedelta(days=1)


async def test_what_happens_to_an_old_order_after_the_erasure_brings_nothing_back(alerter: Alerter) -> None:
    await alerter.handle("orders", (orders.PLACED, order(at=NOON - timedelta(days=3))))
    await alerter.handle("customers.preferences", (preferences.ERASED, erased_customer()))
    alerter.clock.moment = LATER
    await alerter.handle("orders", (orders.DELIVERED, order(at=LATER)))
    await alerter.handle("surveys.sends", (sends.SENT, send(at=LATER)))
    await alerter.receive(answer(1, customer_id="c-42", order_id="1001", received_at=LATER))
    await alerter.assert_nowhere("ana", "train", "5550")
    (told,) = await alerter.published()
    assert told.body["customer"] == {"customer_id": "c-42"}
    assert told.body["order"] == {"order_id": "1001", "products": []}


async def test_a_new_order_after_the_erasure_counts_like_any_other(alerter: Alerter) -> None:
    await alerter.handle("orders", (orders.PLACED, order(at=NOON - timedelta(days=3))))
    await alerter.handle("customers.preferences", (preferences.ERASED, erased_customer()))
    alerter.clock.moment = LATER
    await alerter.handle("orders", (orders.DELIVERED, order("1002", at=LATER)))
    await alerter.receive(answer(1, customer_id="c-42", order_id="1002", received_at=LATER))
    (told,) = await alerter.published()
    assert told.body["customer"]["name"] == "Ana Prado" and told.body["order"]["products"] == ["Wooden train"]


async def test_an_order_that_turns_out_to_be_old_takes_what_it_told_along(alerter: Alerter) -> None:
    await alerter.handle("customers.preferences", (preferences.ERASED, erased_customer()))
    alerter.clock.moment = LATER
    await alerter.handle("orders", (orders.DELIVERED, order(at=LATER)))
    await alerter.handle("orders", (orders.PLACED, order(at=NOON - timedelta(days=3))))
    await alerter.assert_nowhere("ana", "train", "5550")


async def test_a_survey_about_an_order_that_turns_out_to_be_old_takes_its_address_along(alerter: Alerter) -> None:
    """It was decided while the erasure was on its way, and its order is told of last: by another partition, whose
    consumer was cut off from the database."""
    await alerter.handle("customers.preferences", (preferences.ERASED, erased_customer()))
    alerter.clock.moment = LATER
    await alerter.handle("surveys.sends", (sends.SENT, send(at=LATER)))
    assert await alerter.query("SELECT 1 FROM customers WHERE document IS NOT NULL")
    await alerter.handle("orders", (orders.PLACED, order(at=NOON - timedelta(days=3))))
    await alerter.assert_nowhere("ana", "5550")


async def test_an_erasure_that_comes_late_keeps_the_order_that_began_after_it(alerter: Alerter) -> None:
    alerter.clock.moment = LATER
    await alerter.handle(
        "orders", (orders.PLACED, order(at=NOON - timedelta(days=3))), (orders.PLACED, order("1002", at=LATER))
    )
    await alerter.handle("customers.preferences", (preferences.ERASED, erased_customer()))
    assert [row.order_id for row in await alerter.query("SELECT order_id FROM customer_orders")] == ["1002"]


async def test_an_erased_id_cannot_be_found_by_trying_ids(alerter: Alerter) -> None:
    await alerter.handle("orders", (orders.PLACED, order()))
    await alerter.receive(answer(1, customer_id="c-42", order_id="1001"))
    await alerter.handle("customers.preferences", (preferences.ERASED, erased_customer()))
    key = alerter.runtime.digests.key("c-42")
    await alerter.assert_nowhere(str(key), key.hex, hashlib.sha256(b"1001").hexdigest())
    assert len(await alerter.query("SELECT 1 FROM erasures")) == 1


async def test_erasures_of_the_release_before_are_kept_under_a_keyed_digest(alerter: Alerter) -> None:
    key = alerter.runtime.digests.key("c-42")
    async with alerter.runtime.transaction() as connection:
        statement = text("INSERT INTO customers (customer_key, erased_at) VALUES (:key, :at)")
        await connection.execute(statement, {"key": key, "at": NOON})
    for _ in range(2):
        await alerter.handle("orders", (orders.PLACED, order(at=NOON - timedelta(days=1))))
        await alerter.assert_nowhere("ana", "train")
        await RetentionLoop(alerter.runtime).step()
    await alerter.assert_nowhere(str(key))


async def test_two_replicas_whose_batches_name_the_same_customers_never_wait_for_each_other(open_alerter: Open) -> None:
    """The customers of orders come before those of surveys and answers, whatever their ids."""
    first, second = await open_alerter(), await open_alerter()
    people = [f"c-{number}" for number in range(40)]
    await first.receive(*(answer(1, answer_id=f"a-{who}", customer_id=who) for who in people))

    def batch(alerter: Alerter, bought: list[str], asked: list[str]) -> list[Message]:
        topics: dict[str, list[tuple[str, Contract]]] = {
            "orders": [(orders.PLACED, order(f"o-{who}", who)) for who in bought],
            "surveys.sends": [(sends.SENT, send(f"s-{who}", who)) for who in asked],
        }
        return [message(topic, kind, body) for topic, events in topics.items() for kind, body in events]

    for _ in range(10):
        await asyncio.gather(
            first.handle_batch(batch(first, people[::2], people[1::2])),
            second.handle_batch(batch(second, people[1::2], people[::2])),
        )
    assert len(await first.query("SELECT 1 FROM customer_orders")) == 40
