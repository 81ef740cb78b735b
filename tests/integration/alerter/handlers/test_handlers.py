"""Promise 3 on the real database: every confirmed detractor answer leads to exactly one open case in its queue."""

import asyncio
from datetime import timedelta

from services.alerter.domain.history import customer_key, with_event
from services.alerter.repository import customers
from shared.contracts import identity, orders, preferences, sends
from tests.integration.alerter.kit import Alerter, Open
from tests.unit.alerter.examples import NOON, answer, erased, erased_customer, order, send

CASE = identity.case_id("a-1")
WAITING_FOR_A_LOCK = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


async def test_a_detractor_gets_a_case_with_a_deadline_and_all_that_is_known(alerter: Alerter) -> None:
    await alerter.take("orders", (orders.PLACED, order(at=NOON - timedelta(days=9))))
    await alerter.take("orders", (orders.DELIVERED, order(at=NOON - timedelta(days=1))))
    await alerter.take("surveys.sends", (sends.SENT, send()))
    await alerter.hear(answer(2, customer_id="c-42", order_id="1001", comment="Far too late", send_id="s-1"))
    (told,) = await alerter.published()
    assert (told.topic, told.key, told.type) == ("followups.detractors", CASE, "case.opened")
    assert told.body["due_at"] == "2026-03-02T16:00:00Z"
    assert told.body["answer"]["comment"] == "Far too late"
    assert told.body["customer"] == {
        "customer_id": "c-42",
        "name": "Ana Prado",
        "email": "ana@example.com",
        "phone": "+55 11 5550-0199",
        "locale": "pt-BR",
    }
    assert told.body["order"]["status"] == "delivered"
    assert told.body["order"]["products"] == ["Wooden train"]
    assert told.body["order"]["total"] == {"amount": "159.90", "currency": "BRL"}


async def test_each_group_goes_to_its_queue(alerter: Alerter) -> None:
    await alerter.hear(*(answer(score, answer_id=f"a-{score}") for score in range(11)))
    told = await alerter.published()
    queues = {one.body["answer"]["score"]: one.topic.removeprefix("followups.") for one in told}
    assert queues == {
        score: "detractors" if score < 7 else "passives" if score < 9 else "promoters" for score in range(11)
    }
    assert all(("due_at" in one.body) is (one.body["answer"]["score"] < 7) for one in told)


async def test_an_answer_told_again_tells_nothing_again(alerter: Alerter) -> None:
    await alerter.hear(answer(3), answer(3))
    await alerter.hear(answer(3))
    await alerter.hear(answer(3, revision=2, comment="Broken"))
    await alerter.hear(answer(3))
    assert [told.type for told in await alerter.published()] == ["case.opened", "case.opened"]
    assert (await alerter.published())[-1].body["answer"]["comment"] == "Broken"


async def test_a_score_amended_across_groups_moves_the_one_case(alerter: Alerter) -> None:
    await alerter.hear(answer(9, customer_id="c-42", comment="Great"))
    await alerter.hear(answer(3, revision=2, customer_id="c-42", comment="Great until it broke"))
    left, arrived = (await alerter.published())[1:]
    assert (left.topic, left.type, left.key) == ("followups.promoters", "case.closed", CASE)
    assert left.body["closed_reason"] == "moved"
    assert "answer" not in left.body and "customer" not in left.body
    assert (arrived.topic, arrived.type, arrived.key) == ("followups.detractors", "case.opened", CASE)
    assert left.body["sequence"] < arrived.body["sequence"]


async def test_an_order_that_comes_after_the_answer_completes_the_case_once(alerter: Alerter) -> None:
    await alerter.hear(answer(3, customer_id="c-42", order_id="1001"))
    await alerter.take("orders", (orders.PLACED, order()))
    await alerter.take("orders", (orders.PAID, order()), (orders.SHIPPED, order()))
    first, second = await alerter.published()
    assert "name" not in first.body["customer"]
    assert second.body["customer"]["name"] == "Ana Prado"
    assert second.body["order"]["products"] == ["Wooden train"]
    assert second.body["sequence"] == 2


async def test_an_erased_answer_leaves_nothing_of_the_person(alerter: Alerter) -> None:
    await alerter.take("orders", (orders.PLACED, order()))
    await alerter.take("surveys.sends", (sends.SENT, send()))
    await alerter.hear(answer(9, customer_id="c-42", order_id="1001", comment="Secret praise", send_id="s-1"))
    await alerter.hear(answer(2, 2, customer_id="c-42", order_id="1001", comment="Secret anger", send_id="s-1"))
    case = (await alerter.staff.story(CASE)).case
    await alerter.staff.note(CASE, case.sequence, "kim", "Ana told me a secret on the phone")
    await alerter.hear(erased(revision=3))
    await alerter.take("customers.preferences", (preferences.ERASED, erased_customer()))
    standing = await alerter.standing()
    kept = [told.body for told in standing.values()]
    assert {told.topic for told in standing.values()} == {"followups.promoters", "followups.detractors"}
    assert all(body["status"] == "closed" and not {"answer", "customer", "order", "owner"} & set(body) for body in kept)
    assert standing["followups.detractors", CASE].body["closed_reason"] == "erased"
    await _assert_nowhere(alerter, "ana", "secret", "c-42", "1001", "train", "a-1", "5550")


async def test_an_erasure_is_final_whatever_comes_after(alerter: Alerter) -> None:
    await alerter.hear(erased(revision=2))
    await alerter.hear(answer(1, comment="Secret"), answer(1, revision=7, comment="Secret"))
    assert await alerter.published() == []
    await _assert_nowhere(alerter, "secret")


async def test_what_was_told_of_a_customer_before_the_erasure_does_not_come_back(alerter: Alerter) -> None:
    await alerter.take("customers.preferences", (preferences.ERASED, erased_customer()))
    await alerter.take("orders", (orders.PLACED, order(at=NOON - timedelta(days=3))))
    await alerter.take("surveys.sends", (sends.SENT, send(at=NOON)))
    await alerter.hear(answer(1, customer_id="c-42", comment="Secret"))
    await _assert_nowhere(alerter, "ana", "secret", "c-42", "train")
    assert await alerter.published() == []
    await alerter.take("orders", (orders.PLACED, order("1002", at=NOON + timedelta(days=3))))
    await alerter.take("customers.preferences", (preferences.ERASED, erased_customer()))
    assert len(await alerter.query("SELECT 1 FROM customer_orders")) == 1


async def test_a_customer_erased_takes_the_cases_along(alerter: Alerter) -> None:
    await alerter.hear(
        answer(1, customer_id="c-42", comment="Secret"),
        answer(1, answer_id="a-2", customer_id="c-42", received_at=NOON + timedelta(days=1)),
        answer(1, answer_id="a-3", customer_id="c-43"),
    )
    await alerter.take("customers.preferences", (preferences.ERASED, erased_customer()))
    told = await alerter.published()
    assert [(one.key, one.type) for one in told[3:]] == [(CASE, "case.closed")]


async def test_two_replicas_that_hear_the_same_answers_at_once_open_each_case_once(open_alerter: Open) -> None:
    first, second = await open_alerter(), await open_alerter()
    for round_number in range(10):
        given = [answer(score, answer_id=f"{round_number}-{score}") for score in range(11)]
        later = [answer(10 - score, 2, answer_id=f"{round_number}-{score}") for score in range(11)]
        await asyncio.gather(first.hear(*given, *later[:5]), second.hear(*later, *reversed(given)))
    waiting = await first.query("SELECT queue, count(*) AS many FROM cases WHERE status <> 'closed' GROUP BY queue")
    assert {row.queue: row.many for row in waiting} == {"detractors": 70, "passives": 20, "promoters": 20}
    standing = await first.standing()
    open_at = [told.key for told in standing.values() if told.body["status"] != "closed"]
    assert len(open_at) == len(set(open_at)) == 110
    sequences = [(told.key, told.body["sequence"]) for told in await first.published()]
    assert len(sequences) == len(set(sequences))


async def test_an_erasure_and_the_answer_at_once_to_two_replicas_end_erased(open_alerter: Open) -> None:
    first, second = await open_alerter(), await open_alerter()
    for number in range(20):
        name = f"a-{number}"
        await asyncio.gather(first.hear(answer(2, answer_id=name, comment="Secret")), second.hear(erased(2, name)))
    assert {row.erased for row in await first.query("SELECT erased FROM cases")} == {True}
    await _assert_nowhere(first, "secret")


async def test_an_order_and_its_customers_erasure_at_once_leave_nothing(open_alerter: Open) -> None:
    first, second = await open_alerter(), await open_alerter()
    for number in range(20):
        who = f"c-{number}"
        await asyncio.gather(
            first.take("orders", (orders.PLACED, order(f"o-{number}", who))),
            second.take("customers.preferences", (preferences.ERASED, erased_customer(who))),
        )
    await _assert_nowhere(first, "ana", "train")


async def test_an_erasure_waits_for_an_order_under_way_and_takes_it_along(open_alerter: Open) -> None:
    first, second = await open_alerter(), await open_alerter()
    key = customer_key("c-42")
    await first.take("orders", (orders.PLACED, order(at=NOON - timedelta(days=1))))
    async with first.runtime.transaction() as connection:
        locked = await customers.lock(connection, [key])
        erasing = asyncio.create_task(second.take("customers.preferences", (preferences.ERASED, erased_customer())))
        async with asyncio.timeout(20):
            while not erasing.done() and not await first.query(WAITING_FOR_A_LOCK):
                await asyncio.sleep(0.02)
        known = locked[key].customer
        assert known is not None
        await customers.save(connection, {key: known})
        await customers.save_orders(connection, [(key, with_event(None, orders.PAID, order()))])
    await erasing
    await _assert_nowhere(first, "ana", "train")


async def test_old_history_goes_but_not_that_of_a_waiting_case(alerter: Alerter) -> None:
    await alerter.take("orders", (orders.PLACED, order()), (orders.PLACED, order("1002", "c-43")))
    await alerter.take("surveys.sends", (sends.SENT, send()), (sends.SENT, send("s-2", "c-43")))
    await alerter.hear(answer(3, customer_id="c-42", order_id="1001"))
    async with alerter.runtime.transaction() as connection:
        await customers.prune(connection, NOON + timedelta(days=400), 100)
        await customers.prune(connection, NOON + timedelta(days=400), 100)
    assert [row.order_id for row in await alerter.query("SELECT order_id FROM customer_orders")] == ["1001"]
    assert [row.send_id for row in await alerter.query("SELECT send_id FROM customer_surveys")] == ["s-1"]
    assert len(await alerter.query("SELECT 1 FROM customers")) == 1


async def _assert_nowhere(alerter: Alerter, *words: str) -> None:
    """None of the words is in any row of the alerter's tables, but for records still on their way to Kafka."""
    tables = await alerter.query("SELECT table_name FROM information_schema.tables WHERE table_schema = 'alerter'")
    assert {"cases", "case_history", "customers", "customer_orders"} <= {row.table_name for row in tables}
    for row in tables:
        if row.table_name in ("outbox", "alembic_version", "routing"):
            continue
        for found in await alerter.query(f"SELECT CAST(t AS text) AS whole FROM {row.table_name} AS t"):
            assert not [word for word in words if word in found.whole.lower()], (row.table_name, found.whole)
