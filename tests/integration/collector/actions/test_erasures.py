"""An erased customer leaves no personal data in any table, and nothing brings it back."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from services.collector.actions import erasures as erasures_action
from services.collector.actions.erasures import erase_customer
from services.collector.loops.retention import RetentionLoop
from services.collector.repository import answers, erasures, sends, surveys
from services.collector.repository.answers import AnswerChange
from shared.contracts import identity, topics
from shared.contracts.answers import Answer
from shared.contracts.preferences import Preference
from shared.contracts.sends import Recipient
from shared.digests import CustomerDigests
from shared.messaging import dead_letters
from shared.messaging.records import DeadLetter
from shared.persistence.transaction import rolled_back
from tests.integration.collector.kit import NOON, ONE_CLICK, Collector, survey
from tests.kit.http import bearer
from tests.kit.locks import held_up
from tests.kit.settings import KEY, SECRET

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
    """Every table and column that still contains personal data, in any readable form, except the outbox and the ids
    that are to be forgotten."""
    found = []
    async with collector.runtime.read_only() as connection:
        columns = await connection.execute(
            text(
                "SELECT table_name, column_name FROM information_schema.columns"
                " WHERE table_schema = current_schema()"
                " AND table_name NOT IN ('outbox', 'outbox_set_aside', 'erased_ids')"
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


async def test_what_could_not_be_published_yet_forgets_the_person_and_keeps_what_they_wished(
    collector: Collector,
) -> None:
    """In the outbox, while the broker is away, and where events are set aside that it refuses."""
    await a_life(collector)
    await collector.send("s-other", customer_id="c-7", recipient=Recipient(address="bo@example.com"), order_id="7")
    await collector.client.post(collector.page("s-other"), json={"score": 10, "comment": "so glad a comment"})
    async with collector.runtime.transaction() as connection:
        letter = DeadLetter(
            topic="surveys.sends", partition=0, offset=1, key=b"c-42", value=b"{ana.souza@example.com", headers=(),
            reason="is not JSON",
        )  # fmt: skip
        await dead_letters.set_aside(connection, "collector", [letter], collector.runtime.digests)
        # The first events of all keys were refused.
        await connection.execute(
            text(
                "WITH moved AS (DELETE FROM outbox WHERE id IN (SELECT min(id) FROM outbox GROUP BY topic, key)"
                " RETURNING id, topic, key, headers, value, created_at)"
                " INSERT INTO outbox_set_aside (id, topic, key, headers, value, created_at, tries)"
                " SELECT *, 5 FROM moved"
            )
        )
    await collector.erase("c-42")
    async with collector.runtime.read_only() as connection:
        rows = await connection.execute(
            text(
                "SELECT id, topic, key, value FROM outbox_set_aside"
                " UNION ALL SELECT id, topic, key, value FROM outbox ORDER BY id"
            )
        )
        waiting = [(row.topic, bytes(row.key).decode(), bytes(row.value).decode()) for row in rows]
    said = "".join(value for _, _, value in waiting)
    # What an erased answer still counts as names its segments.
    assert not [word for word in PERSONAL if word not in ("c-42", "gold-tier") and word in said]
    assert "so glad a comment" in said
    revisions = [
        Answer.model_validate_json(value)
        for topic, _, value in waiting
        if topic == topics.ANSWERS.name and "score" in value and "so glad" not in value
    ]
    # Which survey was answered: a response rate is counted by it.
    assert {one.send_id for one in revisions} >= {"s-1"}
    assert {(one.customer_id, one.order_id, one.comment) for one in revisions} == {(None, None, None)}
    told = [Preference.model_validate_json(value) for topic, _, value in waiting if topic == topics.PREFERENCES.name]
    assert [(one.revision, sorted({channel.state for channel in one.channels})) for one in told] == [
        (1, ["unsubscribed"]),
        (2, []),
    ]


async def forgotten_ids(collector: Collector, *, days: float) -> list[str]:
    """Whose records on the topic of preferences are removed, so many days after noon."""
    collector.clock.moment = NOON + timedelta(days=days)
    while await RetentionLoop(collector.runtime).step():
        pass
    return [one.key for one in await collector.outbox(topics.PREFERENCES.name) if not one.type]


async def test_the_id_itself_is_forgotten_when_everybody_has_been_told(collector: Collector) -> None:
    await a_life(collector)
    await collector.erase("c-42")
    await collector.erase("nobody")
    collector.clock.moment = NOON + timedelta(days=30)
    await collector.erase("c-42")
    assert await forgotten_ids(collector, days=41) == ["nobody"]
    assert await collector.count("erased_ids") == 1
    assert await forgotten_ids(collector, days=71) == ["nobody", "c-42"]
    assert await collector.count("erased_ids") == 0
    assert await forgotten_ids(collector, days=400) == ["nobody", "c-42"]


async def test_who_came_back_meanwhile_keeps_what_they_allow(collector: Collector) -> None:
    await a_life(collector)
    await collector.erase("c-42")
    collector.clock.moment = NOON + timedelta(days=1)
    later = collector.clock.moment
    await collector.send("s-3", order_id="order-2000", due_at=later, sent_at=later, order_began_at=later)
    await collector.client.post(collector.unsubscribe_page("s-3"), data=ONE_CLICK)
    assert await forgotten_ids(collector, days=400) == []
    kinds = await collector.preferences_of("c-42")
    assert kinds == ["preference.unsubscribed", "preference.erased", "preference.unsubscribed"]


@pytest.mark.parametrize("first", ["forgetting", "unsubscribing"])
async def test_coming_back_while_the_id_is_forgotten_is_what_remains(collector: Collector, first: str) -> None:
    await collector.erase("c-42")
    collector.clock.moment = NOON + timedelta(days=50)
    later = collector.clock.moment
    await collector.send("s-3", order_id="order-2000", due_at=later, sent_at=later, order_began_at=later)

    async def unsubscribe() -> None:
        await collector.client.post(collector.unsubscribe_page("s-3"), data=ONE_CLICK)

    async with collector.runtime.transaction() as connection:
        if first == "forgetting":
            await erasures_action.forget_ids_in(connection, collector.runtime)
            unsubscribing = asyncio.create_task(unsubscribe())
            await held_up(collector.runtime, unsubscribing)
        else:
            await connection.execute(text("SELECT FROM erased_ids FOR UPDATE"))
            assert await forgotten_ids(collector, days=50) == []
            unsubscribing = asyncio.create_task(unsubscribe())
            await held_up(collector.runtime, unsubscribing)
    await unsubscribing
    await forgotten_ids(collector, days=60)
    assert (await collector.preferences_of("c-42"))[-1] == "preference.unsubscribed"


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


async def test_erasing_an_id_that_guests_share_says_that_it_erases_none_of_them(collector: Collector) -> None:
    assert "nobody who ordered under it" in (await collector.erase("0")).json()["hint"]


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


async def test_a_survey_about_an_order_from_before_the_erasure_brings_nobody_back(collector: Collector) -> None:
    """It was decided before the dispatcher could read that they were erased."""
    await collector.erase("c-42")
    collector.clock.pass_time(days=1)
    began_at = NOON - timedelta(days=3)
    page = await collector.send("s-3", sent_at=collector.clock.now(), order_began_at=began_at)
    assert (await collector.client.get(page)).status_code == 410
    assert (await collector.client.post(collector.unsubscribe_page("s-3"), data=ONE_CLICK)).status_code == 410
    assert await traces(collector) == []


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
        assert await answers.put(connection, [AnswerChange(answer=answer)]) == {answer_id}
    assert (await erasing).answers == 1
    assert await traces(collector) == []


async def test_an_answer_posted_directly_that_is_on_its_way_is_waited_for(patient_collector: Collector) -> None:
    """Between reading and writing, its customer is erased, and the customer of its order: neither comes back."""
    collector = patient_collector
    await collector.send()
    runtime = collector.runtime
    names: list[dict[str, Any]] = [{"customer_id": "c-42"}, {"order_id": "order-1001"}]
    for number, said in enumerate(names):
        answer_id = f"a-{number}"
        other = Answer(answer_id=answer_id, revision=1, score=9, answered_at=NOON, received_at=NOON)
        # Another process is adding the same id, and gives up: so long, the answer has read and not written.
        async with rolled_back(runtime.engine) as connection:
            assert await answers.put(connection, [AnswerChange(answer=other)])
            posting = asyncio.create_task(
                collector.post_answer(answer_id=answer_id, score=3, comment="so sad a comment", **said)
            )
            await held_up(runtime, posting)
            erasing = asyncio.create_task(erase_customer(runtime, "c-42"))
            await held_up(runtime, erasing, waiting=2)
        assert (await posting).status_code == 202
        await erasing
        assert await traces(collector) == []
        # The same order again, of who has come back: the erasure must find it another time.
        collector.clock.pass_time(days=1)
        await collector.send("s-2", sent_at=collector.clock.now())


@pytest.mark.parametrize("said", [{"customer_id": "c-42"}, {"order_id": "order-1001"}])
async def test_an_answer_that_began_before_an_erasure_is_refused_after_it(
    collector: Collector, said: dict[str, Any]
) -> None:
    await collector.send()
    runtime = collector.runtime
    digest, order = runtime.digests.digest("c-42"), runtime.digests.order("order-1001")
    async with runtime.transaction() as connection:
        wiped = await erasures.wipe(connection, "c-42", digest, (), NOON)
        await erasures.remember_orders(connection, [order], NOON)
        posting = asyncio.create_task(collector.post_answer(score=3, comment="so sad a comment", **said))
        await held_up(runtime, posting)
    assert wiped.order_ids == {"order-1001"}
    refused = await posting
    assert (refused.status_code, refused.json()["title"]) == (410, "The answer was erased")
    assert await traces(collector) == []


async def test_an_answer_given_before_an_erasure_is_refused_however_late_it_is_posted(collector: Collector) -> None:
    await collector.send()
    await collector.erase("c-42")
    collector.clock.pass_time(days=2)
    names: list[dict[str, Any]] = [{"customer_id": "c-42"}, {"order_id": "order-1001"}]
    for said in names:
        late = await collector.post_answer(score=3, answered_at=NOON.isoformat(), **said)
        assert late.status_code == 410
        # Who comes back is a customer again.
        assert (await collector.post_answer(score=3, **said)).status_code == 202


async def test_answers_that_name_only_an_order_are_erased_with_its_customer(collector: Collector) -> None:
    await collector.send(customer_id="c-42", order_id="order-1001")
    await collector.post_answer(answer_id="of-a-survey", order_id="order-1001", score=1)
    await collector.post_answer(answer_id="known", customer_id="c-42", order_id="order-1002", score=2)
    await collector.post_answer(answer_id="of-an-answer", order_id="order-1002", score=3)
    await collector.post_answer(answer_id="told", order_id="order-1003", score=4)
    await collector.post_answer(answer_id="of-another", order_id="order-1004", score=5)
    await collector.post_answer(answer_id="of-somebody", customer_id="c-1", order_id="order-1003", score=6)
    erased = await collector.client.delete(
        "/v1/customers/c-42", params={"order_id": ["order-1003", "order-1009"]}, headers=bearer(KEY)
    )
    assert erased.json()["answers_erased"] == 4
    gone = {event.key for event in await collector.answers() if event.type == "answer.erased"}
    assert gone == {"of-a-survey", "known", "of-an-answer", "told"}


async def test_looking_for_answers_about_an_order_walks_the_index(collector: Collector) -> None:
    async with collector.runtime.transaction() as connection:
        await connection.execute(
            text(
                "INSERT INTO answers (answer_id, revision, customer_id, body)"
                " SELECT n::text, 1, CASE WHEN n % 2 = 0 THEN 'c-' || n END, jsonb_build_object('order_id', 'o-' || n)"
                " FROM generate_series(1, 20000) AS n"
            )
        )
        await connection.execute(
            text(
                "INSERT INTO sends (send_id, campaign, campaign_version, channel, locale, customer_id, order_id,"
                " segments, sent_at, expires_at) SELECT n::text, 'a', 1, 'email', 'en',"
                " CASE WHEN n % 2 = 0 THEN 'c-' ELSE 'guest-' END || n, 'o-' || n, '{}', now(), now()"
                " FROM generate_series(1, 20000) AS n"
            )
        )
        await connection.execute(text("ANALYZE answers, sends"))
        about = erasures.WIPE_ANSWERS_ABOUT
        plan = await connection.execute(text(f"EXPLAIN {about}"), {"order_ids": ["o-7", "o-9"], "now": NOON})
        assert "answers_about_order" in "".join(plan.scalars())
        plan = await connection.execute(text(f"EXPLAIN {erasures.NAMED_WITH}"), {"order_ids": ["o-7", "o-8"]})
        assert "answers_of_order" in (told := "".join(plan.scalars())) and "sends_to_guests" in told


async def test_orders_of_erased_customers_are_forgotten_in_time(collector: Collector) -> None:
    await collector.send()
    await collector.erase("c-42")
    collector.clock.pass_time(days=30)
    loop = RetentionLoop(collector.runtime)
    await loop.step()
    assert await collector.count("erased_orders") == 1
    collector.clock.pass_time(seconds=1)
    await loop.step()
    assert await collector.count("erased_orders") == 0
