"""An erased customer leaves no personal data in any table, and nothing brings it back."""

import asyncio
from datetime import timedelta

from sqlalchemy import text

from services.collector.actions.erasures import erase_customer
from services.collector.repository import answers, erasures, sends, surveys
from shared.contracts import identity, topics
from shared.contracts.answers import Answer
from shared.contracts.sends import Recipient
from shared.digests import CustomerDigests
from tests.integration.collector.kit import NOON, ONE_CLICK, Collector, survey
from tests.kit.locks import held_up
from tests.kit.settings import SECRET

PERSONAL = ("c-42", "ana.souza@example.com", "Ana Souza", "order-1001", "Brass lamp", "gold-tier", "so sad a comment")


async def a_life(collector: Collector) -> str:
    """A customer who was asked twice, answered, amended, answered elsewhere, and unsubscribed."""
    page = await collector.send(product="Brass lamp", segments={"tier": "gold-tier"})
    await collector.send("s-2")
    await collector.client.post(page, json={"score": 3, "comment": "so sad a comment"})
    await collector.client.post(page, json={"score": 2})
    await collector.post_answer(answer_id="till-1", customer_id="c-42", order_id="order-1001", score=9)
    await collector.client.post(collector.unsubscribe_page(), data=ONE_CLICK)
    return page


async def traces(collector: Collector) -> list[str]:
    """Every table and column, except the outbox, that still contains personal data, in any readable form."""
    found = []
    async with collector.runtime.read_only() as connection:
        columns = await connection.execute(
            text(
                "SELECT table_name, column_name FROM information_schema.columns"
                " WHERE table_schema = current_schema() AND table_name <> 'outbox'"
            )
        )
        for table, column in columns.all():
            values = (await connection.execute(text(f'SELECT "{column}"::text FROM "{table}"'))).scalars().all()
            for word in PERSONAL:
                encoded = word.encode().hex()
                if any(value is not None and (word in value or encoded in value) for value in values):
                    found.append(f"{table}.{column}: {word}")
    return found


async def test_nothing_personal_is_left_anywhere(collector: Collector) -> None:
    page = await a_life(collector)
    await collector.send("s-other", customer_id="c-7", recipient=Recipient(address="bo@example.com"), order_id="7")
    await collector.client.post(collector.page("s-other"), json={"score": 10})
    assert len({trace.split(": ")[1] for trace in await traces(collector)}) == len(PERSONAL)

    response = await collector.erase("c-42")
    assert response.status_code == 200
    assert (response.json()["answers_erased"], response.json()["surveys_erased"]) == (2, 2)
    assert await traces(collector) == []

    erased = [event for event in await collector.answers() if event.type == "answer.erased"]
    revisions = {event.key: event.body["revision"] for event in erased}
    assert revisions == {identity.answer_id("s-1"): 3, "till-1": 2}
    assert all(set(event.body) == {"answer_id", "revision", "erased_at", "counted"} for event in erased)
    counted = {event.key: event.body["counted"] for event in erased}
    assert counted[identity.answer_id("s-1")] == {
        "group": "detractor",
        "day": "2026-11-01",
        "campaign": "service-nps",
        "surveyed": True,
        "segments": {"tier": "gold-tier"},
    }
    assert (counted["till-1"]["group"], counted["till-1"]["surveyed"]) == ("promoter", False)
    last = (await collector.outbox(topics.PREFERENCES.name))[-1]
    assert (last.type, last.body["revision"], last.body["channels"]) == ("preference.erased", 2, [])

    for path in (page, collector.unsubscribe_page()):
        gone = await collector.client.get(path)
        assert gone.status_code == 410
        assert "erased" in gone.text
    assert (await collector.client.get(collector.page("s-other"))).status_code == 200


async def test_no_later_amendment_is_taken(collector: Collector) -> None:
    page = await a_life(collector)
    await collector.erase("c-42")
    before = len(await collector.outbox())
    assert (await collector.client.post(page, json={"score": 9})).status_code == 410
    assert (await collector.client.post(page, data={"score": "9"})).status_code == 410
    assert (await collector.client.post(collector.page("s-2"), json={"score": 9})).status_code == 410
    assert (await collector.post_answer(answer_id="till-1", score=9)).status_code == 410
    assert (await collector.client.post(collector.unsubscribe_page(), data=ONE_CLICK)).status_code == 410
    assert len(await collector.outbox()) == before
    assert await traces(collector) == []


async def test_erasing_again_moves_no_answer_and_tells_everybody_again(collector: Collector) -> None:
    await a_life(collector)
    await collector.erase("c-42")
    again = (await collector.erase("c-42")).json()
    assert (again["answers_erased"], again["surveys_erased"]) == (0, 0)
    erased = [event for event in await collector.answers() if event.type == "answer.erased"]
    assert len(erased) == 2
    told = [event.body["revision"] for event in await collector.outbox(topics.PREFERENCES.name)]
    assert told == [1, 2, 3]


async def test_a_customer_nobody_knows_is_erased_everywhere_all_the_same(collector: Collector) -> None:
    assert (await collector.erase("nobody/with%20a%20slash")).status_code == 200
    (event,) = await collector.outbox()
    assert (event.type, event.key, event.body["revision"]) == ("preference.erased", "nobody/with a slash", 1)


async def test_a_survey_that_was_on_its_way_brings_nothing_back(collector: Collector) -> None:
    await collector.erase("c-42")
    late = survey(sent_at=NOON - timedelta(seconds=5), product="Brass lamp", segments={"tier": "gold-tier"})
    await collector.consume(late)
    assert await traces(collector) == []
    assert (await collector.client.get(collector.page())).status_code == 410
    await collector.consume(survey(expires_at=NOON + timedelta(days=60)))
    assert await traces(collector) == []


async def test_who_comes_back_is_a_customer_again(collector: Collector) -> None:
    await a_life(collector)
    await collector.erase("c-42")
    collector.clock.pass_time(days=10)
    page = await collector.send("s-3", sent_at=collector.clock.now(), expires_at=NOON + timedelta(days=40))
    assert (await collector.client.post(page, json={"score": 8})).status_code == 202
    await collector.client.post(collector.unsubscribe_page("s-3"), data=ONE_CLICK)
    told = [(event.type, event.body["revision"]) for event in await collector.outbox(topics.PREFERENCES.name)]
    assert told[-1] == ("preference.unsubscribed", 3)


async def test_answering_and_consuming_while_being_erased_leaves_nothing(collector: Collector) -> None:
    for number in range(6):
        await collector.send(f"s-{number}")
    late = survey("s-late", product="Brass lamp", segments={"tier": "gold-tier"})
    await asyncio.gather(
        *(
            collector.client.post(collector.page(f"s-{number}"), json={"score": 3, "comment": "so sad a comment"})
            for number in range(6)
        ),
        collector.erase("c-42"),
        collector.consume(late),
        *(collector.client.post(collector.unsubscribe_page(f"s-{number}"), data=ONE_CLICK) for number in range(6)),
    )
    assert await traces(collector) == []
    per_answer: dict[str, list[str]] = {}
    for event in await collector.answers():
        per_answer.setdefault(event.key, []).append(event.type)
    assert all(types in (["answer.recorded", "answer.erased"], []) for types in per_answer.values())


async def test_a_batch_that_is_on_its_way_is_waited_for(collector: Collector) -> None:
    """The batch has read who was erased and not inserted yet: the erasure must not happen in between."""
    runtime = collector.runtime
    async with runtime.transaction() as connection:
        assert await erasures.erased_among(connection, [CustomerDigests(SECRET).digest("c-42")]) == {}
        erasing = asyncio.create_task(erase_customer(runtime, "c-42"))
        await held_up(collector.runtime, erasing)
        await sends.put(connection, [survey()], {})
    assert (await erasing).sends == 1
    assert await traces(collector) == []


async def test_an_answer_that_is_on_its_way_is_waited_for(collector: Collector) -> None:
    """The answer has read whose survey it is and not written yet: it must not bring the name back after the erasure."""
    runtime = collector.runtime
    await collector.send()
    answer_id = identity.answer_id("s-1")
    async with runtime.transaction() as connection:
        assert await surveys.hold(connection, "s-1") is not None
        erasing = asyncio.create_task(erase_customer(runtime, "c-42"))
        await held_up(collector.runtime, erasing)
        answer = Answer(
            answer_id=answer_id, revision=1, score=3, answered_at=NOON, received_at=NOON, customer_id="c-42"
        )
        assert await answers.put(connection, answer)
    assert (await erasing).answers == 1
    assert await traces(collector) == []
