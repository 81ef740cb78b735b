"""Answers that arrive together are written together, and what happens to one is not its neighbours' trouble."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from deploy.local.provision import Database
from services.collector.actions import answer_writer
from services.collector.actions.answers import record
from services.collector.domain.answer_requests import AnswerRequest
from services.collector.repository import erasures, surveys
from shared import tracing
from shared.contracts import identity
from tests.integration.collector.conftest import collector_with
from tests.integration.collector.kit import NOON, Collector, broken, campaign
from tests.kit.eventually import eventually
from tests.kit.locks import held_up

MANY = 60


async def post_all(collector: Collector, bodies: Sequence[dict[str, Any]]) -> list[httpx.Response]:
    return list(await asyncio.gather(*(collector.post_answer(**body) for body in bodies)))


async def revisions(collector: Collector) -> dict[str, list[int]]:
    """Of each answer published, in the order published."""
    found: dict[str, list[int]] = {}
    for event in await collector.answers():
        found.setdefault(event.key, []).append(event.body["revision"])
    return found


async def execute(collector: Collector, statement: str) -> list[Any]:
    async with collector.runtime.transaction() as connection:
        result = await connection.execute(text(statement))
        return list(result.all()) if result.returns_rows else []


async def test_many_at_once_take_few_transactions(collector: Collector) -> None:
    """What makes an acknowledged answer cheap; each is a row of its own all the same."""
    responses = await post_all(collector, [{"answer_id": f"a-{number}", "score": 3} for number in range(MANY)])
    assert {response.status_code for response in responses} == {202}
    assert await revisions(collector) == {f"a-{number}": [1] for number in range(MANY)}
    ((transactions,),) = await execute(collector, "SELECT count(DISTINCT xmin::text) FROM answers")
    assert transactions < MANY / 4


async def test_many_surveys_answered_at_once_take_few_transactions(collector: Collector) -> None:
    pages = [await collector.send(f"s-{number}", customer_id=f"c-{number}") for number in range(MANY)]
    responses = await asyncio.gather(*(collector.client.post(page, data={"score": 9}) for page in pages))
    assert {response.status_code for response in responses} == {303}
    expected = {identity.answer_id(f"s-{number}"): f"c-{number}" for number in range(MANY)}
    assert {event.key: event.body["customer_id"] for event in await collector.answers()} == expected
    assert dict(await execute(collector, "SELECT answer_id, customer_id FROM answers")) == expected
    ((transactions,),) = await execute(collector, "SELECT count(DISTINCT xmin::text) FROM answers")
    assert transactions < MANY / 4


@pytest.mark.parametrize(
    ("change", "status", "customer_ids"),
    [
        ("customer_id = 'guest-1'", 303, ["guest-1"]),
        ("customer_id = NULL, address = NULL, name = NULL, order_id = NULL, erased_at = now()", 410, []),
    ],
)
async def test_what_becomes_of_a_survey_after_it_was_read_is_not_overlooked(
    collector: Collector, monkeypatch: pytest.MonkeyPatch, change: str, status: int, customer_ids: Sequence[str]
) -> None:
    page = await collector.send("s-1", customer_id="c-1")
    read = surveys.read_several

    async def changed_after_reading(*arguments: Any) -> Any:
        found = await read(*arguments)
        await execute(collector, f"UPDATE sends SET {change}")  # ours
        return found

    monkeypatch.setattr(surveys, "read_several", changed_after_reading)
    response = await collector.client.post(page, data={"score": 9})
    assert response.status_code == status
    assert [event.body["customer_id"] for event in await collector.answers()] == customer_ids


async def test_many_different_at_once_for_one_id_follow_one_another(collector: Collector) -> None:
    bodies = [{"answer_id": "a-1", "score": number % 11} for number in range(MANY)]
    responses = await post_all(collector, bodies)
    assert {response.status_code for response in responses} == {202}
    # In the order in which they came; each changed the score.
    assert [response.json()["revision"] for response in responses] == list(range(1, MANY + 1))
    assert [event.body["score"] for event in await collector.answers()] == [body["score"] for body in bodies]
    ((stored,),) = await execute(collector, "SELECT body->>'score' FROM answers")
    assert int(stored) == bodies[-1]["score"]


async def test_one_the_database_rejects_harms_no_other(collector: Collector) -> None:
    """Among new answers, and among amendments."""
    reject = "ALTER TABLE answers ADD CONSTRAINT no_poison CHECK (body->>'comment' IS DISTINCT FROM 'poison')"
    async with broken(collector, reject, "ALTER TABLE answers DROP CONSTRAINT no_poison"):
        for score in (3, 4):
            bodies: list[dict[str, Any]] = [{"answer_id": f"a-{number}", "score": score} for number in range(30)]
            bodies[7]["comment"] = bodies[20]["comment"] = "poison"
            statuses = [response.status_code for response in await post_all(collector, bodies)]
            assert statuses == [422 if "comment" in body else 202 for body in bodies]
    assert await revisions(collector) == {f"a-{number}": [1, 2] for number in range(30) if number not in (7, 20)}


async def test_one_whose_stored_answer_cannot_be_read_harms_no_other(collector: Collector) -> None:
    await execute(collector, """INSERT INTO answers (answer_id, revision, body) VALUES ('a-3', 1, '{"score": "?"}')""")
    responses = await post_all(collector, [{"answer_id": f"a-{number}", "score": 3} for number in range(8)])
    assert [response.status_code for response in responses] == [500 if number == 3 else 202 for number in range(8)]


async def test_refused_ones_among_good_ones_are_told_each_why(collector: Collector) -> None:
    await collector.consume(campaign(campaign="till"))
    page, closed = await collector.send("s-1"), await collector.send("s-2", expires_at=NOON)
    await collector.post_answer(answer_id="theirs", score=3, customer_id="c-1")
    collector.clock.pass_time(hours=1)
    responses = await asyncio.gather(
        collector.post_answer(answer_id="theirs", score=4, customer_id="c-2"),
        collector.post_answer(answer_id="a-1", score=4, campaign="tlil"),
        collector.post_answer(answer_id="a-2", score=4, campaign="till"),
        collector.client.post(closed, json={"score": 4}),
        collector.client.post(page, json={"score": 4}),
        collector.client.post(collector.page("s-9"), json={"score": 4}),
        collector.client.post(page, data={"comment": "why"}),
        collector.post_answer(answer_id="theirs", score=5),
    )
    assert [response.status_code for response in responses] == [409, 422, 202, 410, 202, 503, 303, 202]
    assert await revisions(collector) == {"theirs": [1, 2], "a-2": [1], identity.answer_id("s-1"): [1, 2]}


async def test_a_client_that_is_gone_takes_nobody_with_it(collector: Collector) -> None:
    def post(number: int) -> asyncio.Task[httpx.Response]:
        return asyncio.create_task(collector.post_answer(answer_id=f"a-{number}", score=3))

    await collector.post_answer(answer_id="a-0", score=3)
    async with collector.runtime.transaction() as connection:
        await connection.execute(text("LOCK TABLE answers IN EXCLUSIVE MODE"))
        tasks = [post(number) for number in range(1, 11)]
        await held_up(collector.runtime, tasks[0])
        tasks += [post(number) for number in range(11, 21)]
        await asyncio.sleep(0)
        gone = tasks[::2]
        for task in gone:
            task.cancel()
        await asyncio.wait(gone)
    remaining = [await task for task in tasks[1::2]]
    assert {response.status_code for response in remaining} == {202}
    published = await revisions(collector)
    assert published.keys() >= {response.json()["answer_id"] for response in remaining}
    assert set(map(tuple, published.values())) == {(1,)}
    assert await collector.count("answers") == len(published)


async def test_an_erasure_that_takes_long_holds_up_only_its_customers_answers(collector: Collector) -> None:
    page = await collector.send("s-1", customer_id="c-1")
    await collector.post_answer(answer_id="known", score=2, customer_id="c-1")
    runtime = collector.runtime
    async with runtime.transaction() as connection:
        await erasures.wipe(connection, "c-1", runtime.digests.digest("c-1"), (), NOON)
        theirs = [
            asyncio.create_task(collector.post_answer(answer_id="a-1", score=3, customer_id="c-1")),
            asyncio.create_task(collector.post_answer(answer_id="a-2", score=3, order_id="o-1")),
            asyncio.create_task(collector.post_answer(answer_id="known", score=4)),
            asyncio.create_task(collector.client.post(page, json={"score": 4})),
        ]
        others = [{"answer_id": f"b-{number}", "score": 3, "customer_id": f"d-{number}"} for number in range(MANY)]
        responses = await post_all(collector, others)
        assert {response.status_code for response in responses} == {202}
        assert [task.result() for task in theirs if task.done()] == []
    assert [(await task).status_code for task in theirs] == [410, 202, 410, 410]


async def test_answers_and_erasures_of_their_customers_at_once_leave_nothing(collector: Collector) -> None:
    bodies = [
        {"answer_id": f"a-{number}", "score": 3, "comment": "so sad", "customer_id": f"c-{number % 12}"}
        for number in range(MANY)
    ]
    posts, erased = await asyncio.gather(
        post_all(collector, bodies), asyncio.gather(*(collector.erase(f"c-{number}") for number in range(6)))
    )
    assert {response.status_code for response in erased} == {200}
    assert {response.status_code for response in posts} <= {202, 410}
    kept = await execute(collector, "SELECT customer_id FROM answers WHERE body IS NOT NULL")
    assert {customer_id for (customer_id,) in kept} == {f"c-{number}" for number in range(6, 12)}
    accepted = {response.json()["answer_id"] for response in posts if response.status_code == 202}
    types: dict[str, list[str]] = {}
    for event in await collector.answers():
        types.setdefault(event.key, []).append(event.type)
    assert types.keys() == accepted
    assert all(each in (["answer.recorded"], ["answer.recorded", "answer.erased"]) for each in types.values())


async def test_two_collectors_and_the_same_ids_leave_each_answer_once(collector: Collector, database: Database) -> None:
    page = await collector.send()
    async with collector_with(database) as other:
        posts = [
            each.post_answer(answer_id=f"a-{number // 3}", score=number % 11)
            for number in range(MANY)
            for each in (collector, other)
        ]
        pressed = [each.client.post(page, json={"score": score}) for score in range(11) for each in (collector, other)]
        responses = await asyncio.gather(*posts, *pressed)
    assert {response.status_code for response in responses} == {202}
    published = await revisions(collector)
    assert len(published) == MANY // 3 + 1
    for answer_id, told in published.items():
        assert told == list(range(1, len(told) + 1)), answer_id
    stored = dict(await execute(collector, "SELECT answer_id, revision FROM answers"))
    assert stored == {answer_id: told[-1] for answer_id, told in published.items()}


async def test_connections_that_were_cut_cost_what_was_on_its_way_and_nothing_else(
    patient_collector: Collector,
) -> None:
    collector = patient_collector
    cut = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name = 'hearback-collector-answers'"
    )
    assert (await collector.post_answer(answer_id="a-0", score=3)).status_code == 202
    async with collector.runtime.transaction() as connection:
        await connection.execute(text("LOCK TABLE answers IN EXCLUSIVE MODE"))
        caught = asyncio.create_task(collector.post_answer(answer_id="a-1", score=3))
        await held_up(collector.runtime, caught)
        await execute(collector, cut)
        response = await caught
    assert (response.status_code, response.headers["retry-after"]) == (503, "2")
    for number in (2, 3):
        assert (await collector.post_answer(answer_id=f"a-{number}", score=3)).status_code == 202
        await execute(collector, cut)

        async def noticed() -> bool:
            sessions = await execute(collector, cut.replace("pg_terminate_backend(pid)", "1"))
            return not sessions

        await eventually(noticed, "the session to end", within=10)
    assert (await revisions(collector)).keys() == {"a-0", "a-2", "a-3"}


async def test_more_than_can_be_written_are_told_to_come_back(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = await collector.send()
    monkeypatch.setattr(answer_writer, "MOST_WAITING", 3)
    monkeypatch.setattr(answer_writer, "MOST_BY_THEMSELVES", 3)
    async with collector.runtime.transaction() as connection:
        await connection.execute(text("LOCK TABLE answers IN EXCLUSIVE MODE"))
        posts = [asyncio.create_task(collector.post_answer(answer_id=f"a-{number}", score=3)) for number in range(4)]
        await held_up(collector.runtime, posts[0])
        posts += [asyncio.create_task(collector.post_answer(answer_id=f"b-{number}", score=3)) for number in range(8)]

        async def some_refused() -> bool:
            return any(post.done() for post in posts[4:])

        await eventually(some_refused, "some to be refused", within=10)
        pages = [
            await collector.client.post(page, json={"score": 3}),
            await collector.client.post(page, data={"score": 3}),
        ]
    assert [(response.status_code, response.headers["retry-after"]) for response in pages] == [(503, "3")] * 2
    responses = [await post for post in posts]
    assert {response.status_code for response in responses} == {202, 503}
    assert {response.headers.get("retry-after") for response in responses if response.status_code == 503} == {"1"}
    accepted = {response.json()["answer_id"] for response in responses if response.status_code == 202}
    assert (await revisions(collector)).keys() == accepted


@contextlib.asynccontextmanager
async def being_erased(collector: Collector, customer_id: str) -> AsyncIterator[None]:
    """Somebody erases the customer, and takes as long as the block."""
    runtime = collector.runtime
    async with runtime.transaction() as connection:
        await erasures.wipe(connection, customer_id, runtime.digests.digest(customer_id), (), NOON)
        yield


async def test_those_that_wait_for_locks_hold_up_nobody_that_is_refused_or_contended(collector: Collector) -> None:
    await collector.post_answer(answer_id="theirs", score=3, customer_id="c-2")
    async with being_erased(collector, "c-1"):
        stuck = [
            asyncio.create_task(collector.post_answer(answer_id=f"a-{number}", score=3, customer_id="c-1"))
            for number in range(8)
        ]
        await held_up(collector.runtime, stuck[0])
        async with asyncio.timeout(5):
            refused = await post_all(collector, [{"answer_id": "theirs", "score": 4, "customer_id": "c-3"}] * 8)
        assert {response.status_code for response in refused} == {409}
        assert [task for task in stuck if task.done()] == []
    assert {(await task).status_code for task in stuck} == {410}


async def test_those_that_go_by_themselves_take_no_place_from_others(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answer_writer, "MOST_WAITING", 12)
    monkeypatch.setattr(answer_writer, "MOST_BY_THEMSELVES", 3)
    async with being_erased(collector, "c-1"):
        concerned = [
            asyncio.create_task(collector.post_answer(answer_id=f"a-{number}", score=3, customer_id="c-1"))
            for number in range(12)
        ]

        async def some_refused() -> bool:
            return sum(task.done() for task in concerned) == 9

        await eventually(some_refused, "those for whom there is no place to be told", within=10)
        good = await post_all(collector, [{"answer_id": f"b-{number}", "score": 3} for number in range(12)])
        assert {response.status_code for response in good} == {202}
    responses = [await task for task in concerned]
    assert sorted(response.status_code for response in responses) == [410] * 3 + [503] * 9
    assert {response.headers.get("retry-after") for response in responses if response.status_code == 503} == {"1"}


async def test_what_is_locked_for_too_long_is_given_up(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answer_writer, "_PATIENCE_SECONDS", 0.2)
    async with being_erased(collector, "c-1"):
        response = await collector.post_answer(answer_id="a-1", score=3, customer_id="c-1")
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    assert await collector.count("answers") == 0


async def test_an_answer_that_another_process_is_adding_holds_up_no_other(collector: Collector) -> None:
    pages = [await collector.send(f"s-{number}") for number in range(MANY)]
    adding = f"INSERT INTO answers (answer_id, revision, erased_at) VALUES ('{identity.answer_id('s-40')}', 1, now())"
    async with collector.runtime.transaction() as connection:
        await connection.execute(text(adding))
        posts = [asyncio.create_task(collector.client.post(page, json={"score": 3})) for page in pages]
        others = posts[:40] + posts[41:]
        async with asyncio.timeout(10):
            assert {(await post).status_code for post in others} == {202}
        assert not posts[40].done()
        ((transactions,),) = await execute(collector, "SELECT count(DISTINCT xmin::text) FROM answers")
        assert transactions < MANY / 4, "each went by itself"
    # The other process's was erased.
    assert (await posts[40]).status_code == 410


async def test_a_batch_that_nothing_can_be_written_of_is_not_waited_for_one_by_one(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[bool] = []

    async def counted(*arguments: Any, wait: bool) -> Any:
        waited.append(wait)
        return await record(*arguments, wait=wait)

    monkeypatch.setattr(answer_writer, "record", counted)
    async with collector.runtime.transaction() as connection:
        await connection.execute(text("LOCK TABLE answers IN EXCLUSIVE MODE"))
        posts = [asyncio.create_task(collector.post_answer(answer_id=f"a-{number}", score=3)) for number in range(MANY)]

        async def gone_by_themselves() -> bool:
            return waited.count(True) > 2

        await eventually(gone_by_themselves, "the batch to be given up", within=10)
        assert 2 < waited.count(False) < 25
    assert {(await post).status_code for post in posts} == {202}
    assert await revisions(collector) == {f"a-{number}": [1] for number in range(MANY)}


async def test_what_is_told_to_have_failed_is_not_recorded_all_the_same(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of the first half has to wait, one of the second finds the connection lost."""
    await post_all(collector, [{"answer_id": f"a-{number}", "score": 3} for number in range(4)])

    async def failing(connection: Any, runtime: Any, requests: Sequence[AnswerRequest], *, wait: bool) -> Any:
        if not wait and len(requests) > 1:
            raise ValueError("one of these")
        if not wait and requests[0].answer_id == "a-0":
            return [None]
        if not wait and requests[0].answer_id == "a-3":
            raise ConnectionError
        return await record(connection, runtime, requests, wait=wait)

    monkeypatch.setattr(answer_writer, "record", failing)
    responses = await post_all(collector, [{"answer_id": f"a-{number}", "score": 4} for number in range(4)])
    assert [response.status_code for response in responses] == [503, 202, 202, 503]
    while [task for task in asyncio.all_tasks() if task.get_name().startswith(answer_writer.NAME)]:
        await asyncio.sleep(0.01)
    assert await revisions(collector) == {"a-0": [1], "a-1": [1, 2], "a-2": [1, 2], "a-3": [1]}


async def test_a_retried_request_whose_answer_is_locked_is_no_second_answer(collector: Collector) -> None:
    """Under the id that versions until 0.1.0 gave it."""
    earlier = identity.unowned_keyed_answer_id("request-77")
    await collector.post_answer(answer_id=earlier, score=7)
    async with collector.runtime.transaction() as connection:
        await connection.execute(text("SELECT FROM answers FOR UPDATE"))
        retried = asyncio.create_task(collector.post_answer(headers={"Idempotency-Key": "request-77"}, score=7))
        await held_up(collector.runtime, retried)
    assert (await retried).json() == {"answer_id": earlier, "revision": 1}
    assert await collector.count("answers") == 1


async def test_the_first_requests_trace_is_not_that_of_what_is_done_for_all(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str | None, bool]] = []

    async def noted(*arguments: Any, wait: bool) -> Any:
        seen.append((tracing.current(), wait))
        return await record(*arguments, wait=wait)

    monkeypatch.setattr(answer_writer, "record", noted)
    for customer_id in ("c-1", "c-2"):
        await collector.post_answer(answer_id="a-1", score=3, customer_id=customer_id)
    assert seen == [(None, False), (None, True)]
