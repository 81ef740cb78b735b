"""The case API: lists, staff actions, and concurrent actions."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
from sqlalchemy import text

from services.alerter.actions import cases as actions
from shared.contracts import identity, orders, sends
from tests.integration.alerter.api.body import body
from tests.integration.alerter.kit import READ_KEY, Alerter
from tests.kit.http import bearer
from tests.unit.alerter.examples import CASE, NOON, answer, erased, order, send


async def test_a_case_goes_through_its_life_and_every_change_is_published(
    alerter: Alerter, client: httpx.AsyncClient
) -> None:
    await alerter.receive(answer(3, customer_id="c-42"))
    case = await body(await client.post(f"/v1/cases/{CASE}/assign", json={"sequence": 1, "owner": "noor"}))
    assert (case["status"], case["owner"], case["sequence"]) == ("assigned", "noor", 2)
    await body(await client.post(f"/v1/cases/{CASE}/contact", json={"sequence": 2, "way": "phone", "text": "Called"}))
    await body(await client.post(f"/v1/cases/{CASE}/note", json={"sequence": 3, "text": "Likes trains"}))
    case = await body(
        await client.post(
            f"/v1/cases/{CASE}/close", json={"sequence": 4, "reason": "resolved", "root_cause": "Delivered late"}
        )
    )
    assert (case["status"], case["closed_reason"], case["root_cause"]) == ("closed", "resolved", "Delivered late")
    alerter.clock.pass_time(days=2)
    case = await body(await client.post(f"/v1/cases/{CASE}/reopen", json={"sequence": 5, "text": "Broke again"}))
    assert case["due_at"] == "2026-03-05T12:00:00Z"
    told = await alerter.published()
    assert [one.type.removeprefix("case.") for one in told] == [
        "opened", "assigned", "contacted", "contacted", "closed", "reopened",
    ]  # fmt: skip
    assert [one.body["sequence"] for one in told] == [1, 2, 3, 4, 5, 6]
    assert len({one.event_id for one in told}) == 6
    assert all(one.body["answer"]["score"] == 3 for one in told)
    detail = await body(await client.get(f"/v1/cases/{CASE}"))
    assert [(entry["kind"], entry["actor"]) for entry in detail["history"]] == [
        ("opened", None), ("assigned", "kim"), ("contacted", "kim"), ("note", "kim"), ("closed", "kim"),
        ("reopened", "kim"),
    ]  # fmt: skip


async def test_of_two_who_change_a_case_at_once_one_is_told(alerter: Alerter, client: httpx.AsyncClient) -> None:
    await alerter.receive(answer(3))
    both = await asyncio.gather(
        *(client.post(f"/v1/cases/{CASE}/assign", json={"sequence": 1, "owner": owner}) for owner in ("kim", "noor"))
    )
    assert sorted(response.status_code for response in both) == [200, 409]
    refused = next(response.json() for response in both if response.status_code == 409)
    assert refused["title"] == "The case has changed"
    assert "sequence 2, you saw 1" in refused["detail"]
    assert len(await alerter.published()) == 2


REFUSED: tuple[tuple[str, dict[str, Any], int, str], ...] = (
    ("assign", {"sequence": 1}, 422, "owner"),
    ("assign", {"sequence": 1, "owner": "  "}, 422, "owner"),
    ("assign", {"owner": "kim"}, 422, "sequence"),
    ("contact", {"sequence": 1, "way": "pigeon"}, 422, "way"),
    ("note", {"sequence": 1, "text": ""}, 422, "empty"),
    ("note", {"sequence": 1, "text": "x" * 5_001}, 422, "5,000"),
    ("contact", {"sequence": 1, "text": " \n"}, 422, "what was said"),
    ("contact", {"sequence": 1}, 422, "what was said"),
    ("close", {"sequence": 1, "reason": "resolved"}, 422, "root cause"),
    ("note", {"sequence": 1, "text": "\x00"}, 422, "U+0000"),
    ("close", {"sequence": 1, "reason": "moved"}, 422, "reason"),
    ("close", {"sequence": 1, "reason": "resolved", "root_cause": "Bad luck"}, 422, "Delivered late"),
    ("reopen", {"sequence": 1}, 409, "not closed"),
    ("burn", {"sequence": 1}, 404, "Not Found"),
)


async def test_what_cannot_be_done_is_said_and_changes_nothing(alerter: Alerter, client: httpx.AsyncClient) -> None:
    await alerter.receive(answer(3))
    for action, given, status, said in REFUSED:
        problem = await body(await client.post(f"/v1/cases/{CASE}/{action}", json=given), status)
        assert said in problem["detail"] + problem["title"]
    assert len(await alerter.published()) == 1


async def test_unknown_cases_and_those_erased_before_they_were_heard_are_not_found(
    alerter: Alerter, client: httpx.AsyncClient
) -> None:
    await alerter.receive(erased())
    for case_id in ("nothing", CASE):
        await body(await client.get(f"/v1/cases/{case_id}"), 404)
        await body(await client.post(f"/v1/cases/{case_id}/note", json={"sequence": 1, "text": "?"}), 404)
    assert (await body(await client.get("/v1/cases?status=any")))["cases"] == []


async def test_keys_do_only_what_their_scope_says(alerter: Alerter, client: httpx.AsyncClient) -> None:
    await alerter.receive(answer(3))
    reader = bearer(READ_KEY)
    change = {"sequence": 1, "owner": "kim"}
    await body(await client.get("/v1/cases", headers=reader))
    await body(await client.post(f"/v1/cases/{CASE}/assign", json=change, headers=reader), 403)
    await body(await client.put("/v1/routing", content="{}", headers=reader), 403)
    for headers in ({"Authorization": "Bearer wrong"}, {"Authorization": ""}):
        await body(await client.get("/v1/cases", headers=headers), 401)
        await body(await client.post(f"/v1/cases/{CASE}/assign", json=change, headers=headers), 401)


async def test_pages_of_a_list_show_every_case_once_by_deadline(alerter: Alerter, client: httpx.AsyncClient) -> None:
    for number in range(25):
        alerter.clock.moment = NOON + timedelta(minutes=number % 7)
        await alerter.receive(answer(number % 11, answer_id=f"a-{number}"))
    seen: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = await body(await client.get("/v1/cases", params={"limit": 4, "cursor": cursor}))
        seen += page["cases"]
        assert len(page["cases"]) <= 4
        if page["next_cursor"] is None:
            break
        cursor = page["next_cursor"]
    assert len(seen) == len({case["case_id"] for case in seen}) == 25
    deadlines = [case["due_at"] for case in seen if case.get("due_at")]
    assert deadlines == sorted(deadlines)
    assert all(case["due_at"] for case in seen[: len(deadlines)])


async def test_a_cursor_that_is_not_ours_is_a_problem(client: httpx.AsyncClient) -> None:
    for cursor in ("nonsense", "////", "MTIz", "OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTph"):
        assert "cursor" in (await body(await client.get("/v1/cases", params={"cursor": cursor}), 422))["title"]


async def test_lists_are_filtered_and_searched(alerter: Alerter, client: httpx.AsyncClient) -> None:
    await alerter.handle("orders", (orders.PLACED, order()))
    await alerter.receive(
        answer(1, customer_id="c-42", order_id="1001", comment="The wheel broke, não chegou. 颜色不一样"),
        answer(9, answer_id="a-2", comment="Lovely wheel"),
        answer(5, answer_id="a-3"),
    )
    await actions.assign(alerter.runtime, identity.case_id("a-3"), sequence=1, actor="kim", owner="noor")

    async def found(**given: str) -> set[str]:
        cases = (await body(await client.get("/v1/cases", params=given)))["cases"]
        return {case["answer"]["answer_id"] for case in cases}

    assert await found(queue="detractors") == {"a-1", "a-3"}
    assert await found(owner="noor") == {"a-3"}
    assert await found(owner="-") == {"a-1", "a-2"}
    assert await found(status="assigned") == {"a-3"}
    assert await found(status="closed") == set()
    assert await found(search="wheel") == {"a-1", "a-2"}
    assert await found(search="wheel bro") == {"a-1"}
    for words in (
        "ana pra",
        "ANA@example.com",
        "1001",
        "train",
        "颜色",
        "c-42",
        "nao chegou",
        "NÃO",
        "na\u0303o",
        "wheel' | !(",
    ):
        assert "a-1" in await found(search=words), words
    assert await found(search="颜不") == set()
    assert await found(search="&&&") == set()
    assert "waiting" in (await body(await client.get("/v1/cases?status=lost"), 422))["detail"]


async def test_what_a_list_does_not_know_is_refused_with_what_is_possible(
    alerter: Alerter, client: httpx.AsyncClient
) -> None:
    for address, said in (
        ("/v1/cases?queue=nope", "queues are detractors, passives, promoters"),
        ("/v1/cases?que=detractors", "possible are cursor, limit, owner, queue, search, status"),
        ("/v1/cases?status=lost", "waiting"),
        ("/v1/cases?limit=0", "limit"),
        (f"/v1/cases/{CASE}?full=1", "there are none here"),
        ("/v1/routing?version=1", "there are none here"),
    ):
        assert said in (await body(await client.get(address), 422))["detail"], address
    # A queue that the rules no longer have is known as long as there are cases in it.
    async with alerter.runtime.transaction() as connection:
        await connection.execute(text("UPDATE cases SET queue = 'former'"))
    await body(await client.get("/v1/cases?queue=former"), 422)
    await alerter.receive(answer(3))
    async with alerter.runtime.transaction() as connection:
        await connection.execute(text("UPDATE cases SET queue = 'former'"))
    assert len((await body(await client.get("/v1/cases?queue=former")))["cases"]) == 1


async def test_a_case_comes_with_the_customers_history(alerter: Alerter, client: httpx.AsyncClient) -> None:
    await alerter.handle("orders", (orders.PLACED, order()), (orders.PLACED, order("1002")))
    await alerter.handle("surveys.sends", (sends.SENT, send()))
    await alerter.receive(
        answer(9, answer_id="a-0", customer_id="c-42"), answer(2, customer_id="c-42", order_id="1001")
    )
    told = (await body(await client.get(f"/v1/cases/{CASE}")))["customer_history"]
    assert {one["order_id"] for one in told["orders"]} == {"1001", "1002"}
    assert [one["campaign"] for one in told["surveys"]] == ["product-nps"]
    assert [one["score"] for one in told["cases"]] == [9]


async def test_a_case_contacted_in_time_stands_after_all_that_nobody_has_contacted(
    alerter: Alerter, client: httpx.AsyncClient
) -> None:
    await alerter.receive(answer(1))
    alerter.clock.pass_time(hours=1)
    await alerter.receive(
        answer(5, answer_id="a-2", received_at=alerter.clock.now()),
        answer(10, answer_id="a-3"),
        answer(8, answer_id="a-4"),
    )
    await body(await client.post(f"/v1/cases/{CASE}/contact", json={"sequence": 1, "way": "phone", "text": "Called"}))
    alerter.clock.pass_time(hours=6)
    listed = (await body(await client.get("/v1/cases")))["cases"]
    order = [case["answer"]["answer_id"] for case in listed]
    assert (order[0], order[-1]) == ("a-2", "a-1")
