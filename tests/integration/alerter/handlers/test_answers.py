"""Promise 3 on the real database: every confirmed detractor answer leads to exactly one open case in its queue."""

import asyncio
from datetime import timedelta

from services.alerter.actions import cases as actions
from shared.contracts import answers, orders, preferences, sends
from shared.contracts.answers import Answer, AnswerErased
from shared.contracts.cloudevents import Message
from tests.integration.alerter.kit import Alerter, Open
from tests.kit.messages import message_of
from tests.unit.alerter.examples import CASE, NOON, answer, erased, erased_customer, order, send


async def test_a_detractor_gets_a_case_with_a_deadline_and_all_that_is_known(alerter: Alerter) -> None:
    await alerter.handle("orders", (orders.PLACED, order(at=NOON - timedelta(days=9))))
    await alerter.handle("orders", (orders.DELIVERED, order(at=NOON - timedelta(days=1))))
    await alerter.handle("surveys.sends", (sends.SENT, send()))
    await alerter.receive(answer(2, customer_id="c-42", order_id="1001", comment="Far too late", send_id="s-1"))
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
    await alerter.receive(*(answer(score, answer_id=f"a-{score}") for score in range(11)))
    told = await alerter.published()
    queues = {one.body["answer"]["score"]: one.topic.removeprefix("followups.") for one in told}
    assert queues == {
        score: "detractors" if score < 7 else "passives" if score < 9 else "promoters" for score in range(11)
    }
    assert all(("due_at" in one.body) is (one.body["answer"]["score"] < 7) for one in told)


async def test_an_answer_told_again_tells_nothing_again(alerter: Alerter) -> None:
    await alerter.receive(answer(3), answer(3))
    await alerter.receive(answer(3))
    await alerter.receive(answer(3, revision=2, comment="Broken"))
    await alerter.receive(answer(3))
    assert [told.type for told in await alerter.published()] == ["case.opened", "case.opened"]
    assert (await alerter.published())[-1].body["answer"]["comment"] == "Broken"


async def test_a_score_amended_across_groups_moves_the_one_case(alerter: Alerter) -> None:
    await alerter.receive(answer(9, customer_id="c-42", comment="Great"))
    await alerter.receive(answer(3, revision=2, customer_id="c-42", comment="Great until it broke"))
    left, arrived = (await alerter.published())[1:]
    assert (left.topic, left.type, left.key) == ("followups.promoters", "case.closed", CASE)
    assert left.body["closed_reason"] == "moved"
    assert "answer" not in left.body and "customer" not in left.body
    assert (arrived.topic, arrived.type, arrived.key) == ("followups.detractors", "case.opened", CASE)
    assert left.body["sequence"] < arrived.body["sequence"]


async def test_an_erased_answer_leaves_nothing_of_the_person(alerter: Alerter) -> None:
    await alerter.handle("orders", (orders.PLACED, order()))
    await alerter.handle("surveys.sends", (sends.SENT, send()))
    await alerter.receive(answer(9, customer_id="c-42", order_id="1001", comment="Secret praise", send_id="s-1"))
    await alerter.receive(answer(2, 2, customer_id="c-42", order_id="1001", comment="Secret anger", send_id="s-1"))
    await actions.note(
        alerter.runtime,
        CASE,
        sequence=(await alerter.detail(CASE)).case.sequence,
        actor="kim",
        text="Ana told me a secret on the phone",
    )
    await alerter.receive(erased(revision=3))
    await alerter.handle("customers.preferences", (preferences.ERASED, erased_customer()))
    standing = await alerter.standing()
    kept = [told.body for told in standing.values()]
    assert {told.topic for told in standing.values()} == {"followups.promoters", "followups.detractors"}
    assert all(body["status"] == "closed" and not {"answer", "customer", "order", "owner"} & set(body) for body in kept)
    assert standing["followups.detractors", CASE].body["closed_reason"] == "erased"
    await alerter.assert_nowhere("ana", "secret", "c-42", "1001", "train", "a-1", "5550")


async def test_an_erasure_is_final_whatever_comes_after(alerter: Alerter) -> None:
    await alerter.receive(erased(revision=2))
    await alerter.receive(answer(1, comment="Secret"), answer(1, revision=7, comment="Secret"))
    assert await alerter.published() == []
    await alerter.assert_nowhere("secret")


async def test_two_replicas_that_receive_the_same_answers_at_once_open_each_case_once(open_alerter: Open) -> None:
    first, second = await open_alerter(), await open_alerter()
    for round_number in range(10):
        given = [answer(score, answer_id=f"{round_number}-{score}") for score in range(11)]
        later = [answer(10 - score, 2, answer_id=f"{round_number}-{score}") for score in range(11)]
        await asyncio.gather(first.receive(*given, *later[:5]), second.receive(*later, *reversed(given)))
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
        await asyncio.gather(
            first.receive(answer(2, answer_id=name, comment="Secret")), second.receive(erased(2, name))
        )
    assert {row.erased for row in await first.query("SELECT erased FROM cases")} == {True}
    await first.assert_nowhere("secret")


async def test_answers_alone_lead_to_the_same_cases_as_beside_other_topics(alerter: Alerter) -> None:
    """A batch of nothing else leaves the locking to the action."""
    await alerter.handle("orders", (orders.PLACED, order(at=NOON - timedelta(days=9))))

    def given(name: str) -> list[Message]:
        revisions: list[Answer | AnswerErased] = [
            answer(2, answer_id=f"{name}-0", customer_id="c-42", order_id="1001", comment="Far too late"),
            answer(9, answer_id=f"{name}-1", customer_id="c-43"),
            answer(4, 2, answer_id=f"{name}-1", customer_id="c-43"),
            answer(0, answer_id=f"{name}-2", customer_id=None),
            erased(2, f"{name}-3"),
        ]
        return [message_of(answers.event(revision)) for revision in revisions]

    await alerter.handle_batch(given("alone"))
    await alerter.handle_batch([message_of(sends.event(send("s-9"))), *given("beside")])
    described = """
        SELECT substring(answer->>'answer_id' from '[0-9]$') AS number, queue, status, sequence, due_at, customer_key,
               awaits_customer, awaits_order, erased, searched
        FROM cases WHERE erased OR answer->>'answer_id' LIKE :name ORDER BY number NULLS LAST
    """
    alone, beside = [await alerter.query(described, name=f"{name}-%") for name in ("alone", "beside")]
    assert len(alone) == 5 and alone == beside
