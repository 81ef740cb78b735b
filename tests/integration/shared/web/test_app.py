"""What every service serves: probes, problem details, API keys, sign-in."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Annotated

import httpx
import pytest
import pytest_asyncio
from fastapi import Depends, FastAPI
from pydantic import BaseModel
from sqlalchemy import text

from deploy.local.provision import Database
from shared.api_keys import Caller
from shared.contracts.sessions import SessionEnded
from shared.contracts.topics import SESSIONS
from shared.runtime import Runtime, open_runtime
from shared.settings import ServiceSettings
from shared.web import sessions
from shared.web.app import MAX_BODY_BYTES, create_app
from shared.web.auth import COOKIE, require, staff
from shared.web.problems import Problem
from shared.web.repository import sessions as repository
from tests.kit.http import bearer, client_of
from tests.kit.messages import message
from tests.kit.outbox import published
from tests.kit.settings import KEY, api_key, settings_for


class Order(BaseModel):
    email: str
    number: int


@pytest_asyncio.fixture(loop_scope="session")
async def runtime(database: Database) -> AsyncIterator[Runtime[ServiceSettings]]:
    settings = settings_for(ServiceSettings, database.service_urls["scorer"], api_key("reader", "scores:read"))
    async with open_runtime("scorer", settings) as opened:
        yield opened


@pytest.fixture
def app(runtime: Runtime[ServiceSettings]) -> FastAPI:
    app = create_app(runtime, "Test", staff_pages=True)

    @app.get("/v1/scores")
    async def scores(caller: Annotated[Caller, Depends(require("scores:read"))]) -> dict[str, str]:
        return {"caller": caller.name}

    @app.get("/v1/cases")
    async def cases(_caller: Annotated[Caller, Depends(require("cases:read"))]) -> None: ...

    @app.get("/page")
    async def page(caller: Annotated[Caller, Depends(staff("scores:read"))]) -> str:
        return caller.name

    @app.post("/change")
    async def change(caller: Annotated[Caller, Depends(staff("scores:read"))]) -> str:
        return caller.name

    @app.post("/orders")
    async def orders(order: Order) -> int:
        return order.number

    @app.get("/gone")
    async def gone() -> None:
        raise Problem(410, "Gone", detail="it was here yesterday", kind="example")

    @app.get("/database")
    async def from_database() -> None:
        async with runtime.engine.connect() as connection:
            await connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    @app.get("/fault")
    async def fault() -> None:
        raise ZeroDivisionError("ana@example.com")

    return app


@pytest_asyncio.fixture(loop_scope="session")
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app, raise_app_exceptions=False) as opened:
        yield opened


async def test_a_fault_of_ours_is_a_problem_too_and_tells_nothing(client: httpx.AsyncClient) -> None:
    response = await client.get("/fault")
    assert (response.status_code, response.headers["content-type"]) == (500, "application/problem+json")
    assert len(response.json()["trace"]) == 32
    assert "ana@example.com" not in response.text


async def test_readiness_follows_what_the_loops_say(
    client: httpx.AsyncClient, runtime: Runtime[ServiceSettings]
) -> None:
    assert (await client.get("/readyz")).status_code == 503
    runtime.health.started = True
    assert (await client.get("/readyz")).json() == {"ready": True, "obstacles": {}, "degraded": {}}
    runtime.health.trouble("a loop", sentence="cannot write")
    response = await client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["obstacles"] == {"a loop": "cannot write"}
    runtime.health.well("a loop")
    assert (await client.get("/readyz")).status_code == 200
    runtime.health.stopping = True
    assert (await client.get("/readyz")).status_code == 503


async def test_what_a_service_can_do_without_is_told_and_does_not_take_requests_from_it(
    client: httpx.AsyncClient, runtime: Runtime[ServiceSettings]
) -> None:
    asked = []

    async def broker() -> str:
        asked.append("broker")
        return "is down"

    async def database() -> str | None:
        return "is down" if asked else None

    runtime.health.started = True
    runtime.health.essential = frozenset({"database"})
    runtime.health.add_check("kafka", broker)
    runtime.health.add_check("database", database)
    runtime.health.trouble("a loop", sentence="cannot publish")
    response = await client.get("/readyz")
    # The broker is not even asked: waiting for it would make the probe time out.
    assert (response.status_code, asked) == (200, [])
    assert response.json()["degraded"] == {"a loop": "cannot publish"}
    asked.append("database")
    assert (await client.get("/readyz")).json()["obstacles"] == {"database": "is down"}


async def test_a_loop_that_no_longer_ticks_is_dead(
    client: httpx.AsyncClient, runtime: Runtime[ServiceSettings]
) -> None:
    runtime.health.tick("a loop", allowed_seconds=60)
    assert (await client.get("/healthz")).status_code == 200
    runtime.health.tick("a loop", allowed_seconds=-1)
    response = await client.get("/healthz")
    assert response.status_code == 503
    assert "a loop" in response.json()["loops"]


async def test_metrics_name_the_route_never_the_path(client: httpx.AsyncClient) -> None:
    await client.get("/no/such/ana@example.com")
    told = (await client.get("/metrics")).text
    assert 'hearback_http_requests_total{method="GET",route="unmatched",status="4xx"}' in told
    assert "ana@example.com" not in told


@pytest.mark.parametrize(
    ("headers", "status", "detail"),
    [
        ({}, 401, "Authorization: Bearer"),
        ({"Authorization": "Bearer wrong"}, 401, "the key after Authorization: Bearer is unknown"),
        (bearer(KEY), 200, ""),
    ],
)
async def test_a_key_opens_what_its_scope_covers(
    client: httpx.AsyncClient, headers: dict[str, str], status: int, detail: str
) -> None:
    response = await client.get("/v1/scores", headers=headers)
    assert response.status_code == status
    if detail:
        assert response.headers["content-type"] == "application/problem+json"
        assert detail in response.json()["detail"]


def test_a_scope_nobody_can_have_is_a_mistake_in_the_code() -> None:
    with pytest.raises(ValueError, match="is not a scope"):
        require("answers:burn")


async def test_a_key_without_the_scope_is_told_which(client: httpx.AsyncClient) -> None:
    response = await client.get("/v1/cases", headers=bearer(KEY))
    assert response.status_code == 403
    assert response.json()["detail"] == "this needs the scope cases:read"


async def test_problems_name_field_and_rule_not_the_value(client: httpx.AsyncClient) -> None:
    response = await client.post("/orders", json={"email": "ana@example.com", "number": "ana@example.com"})
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == "number"
    assert "ana@example.com" not in response.text
    response = await client.get("/gone")
    assert (response.status_code, response.json()["title"], response.json()["kind"]) == (410, "Gone", "example")
    nothing = await client.get("/nothing")
    assert nothing.headers["content-type"] == "application/problem+json"
    assert nothing.json()["detail"] == "there is nothing at this path; /openapi.json lists the operations"
    page = await client.get("/nothing", headers={"Accept": "text/html"})
    assert page.status_code == 404 and "openapi" not in page.text


async def test_a_database_that_goes_away_is_worth_another_try(client: httpx.AsyncClient) -> None:
    response = await client.get("/database")
    assert response.status_code == 503
    assert response.headers["retry-after"] == "2"


async def test_staff_sign_in_once_and_are_led_back(client: httpx.AsyncClient) -> None:
    response = await client.get("/page?window=30d")
    assert response.status_code == 303
    assert response.headers["location"] == "/sign-in?next=%2Fpage%3Fwindow%3D30d"
    page = (await client.get(response.headers["location"])).text
    assert "Sign in" in page
    assert "Whoever runs Hearback for you can give you one." in page and "HEARBACK_API_KEY" not in page
    on_this_machine = await client.get("http://127.0.0.1:8003/sign-in")
    assert "HEARBACK_API_KEY" in on_this_machine.text, "which key it wants"
    refused = await client.post("/sign-in", data={"key": "wrong", "next": "/page"}, follow_redirects=True)
    assert refused.status_code == 401
    assert "Unknown API key" in refused.text
    accepted = await client.post("/sign-in", data={"key": KEY, "next": "/page?window=30d"})
    assert accepted.headers["location"] == "/page?window=30d"
    cookie = accepted.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert KEY not in cookie
    assert (await client.get("/page")).json() == "reader"
    await client.post("/sign-out")
    assert (await client.get("/page")).status_code == 303


async def cookie_of(client: httpx.AsyncClient) -> dict[str, str]:
    """The header with the cookie of somebody who has just signed in, as a thief might have copied it."""
    await client.post("/sign-in", data={"key": KEY})
    return {"Cookie": f"{COOKIE}={client.cookies[COOKIE]}"}


def page_of(runtime: Runtime[ServiceSettings]) -> FastAPI:
    """The application of another replica or service, with a page of its own."""
    app = create_app(runtime, "Test", staff_pages=True)

    @app.get("/page")
    async def page(caller: Annotated[Caller, Depends(staff("scores:read"))]) -> str:
        return caller.name

    return app


async def test_signing_out_ends_the_session_in_every_replica(
    client: httpx.AsyncClient, runtime: Runtime[ServiceSettings]
) -> None:
    copied = await cookie_of(client)
    async with client_of(page_of(runtime)) as replica, client_of(page_of(runtime)) as colleague:
        assert (await replica.get("/page", headers=copied)).status_code == 200
        await colleague.post("/sign-in", data={"key": KEY})
        await client.post("/sign-out")
        for each in (client, replica):
            assert (await each.get("/page", headers=copied)).status_code == 303
        assert (await colleague.get("/page")).status_code == 200
        refused = await replica.get("/v1/scores", headers=copied)
        assert refused.status_code in (401, 404)
    assert (await client.get("/v1/scores", headers=copied)).status_code == 401


async def test_signing_out_ends_the_session_in_other_services(
    client: httpx.AsyncClient, runtime: Runtime[ServiceSettings], database: Database
) -> None:
    copied = await cookie_of(client)
    settings = settings_for(ServiceSettings, database.service_urls["alerter"], api_key("reader", "scores:read"))
    async with open_runtime("alerter", settings) as other, client_of(page_of(other)) as elsewhere:
        assert (await elsewhere.get("/page", headers=copied)).status_code == 200
        for _ in range(2):
            await client.post("/sign-out", headers=copied)
        (told,) = await published(runtime, SESSIONS.name)
        ended = message(told.topic, told.type, SessionEnded.model_validate_json(json.dumps(told.body)))
        async with other.transaction() as connection:
            await sessions.handler()(connection, [ended, ended])
        assert (await elsewhere.get("/page", headers=copied)).status_code == 303


async def test_what_is_remembered_of_ended_sessions_is_forgotten_with_their_cookies(
    runtime: Runtime[ServiceSettings],
) -> None:
    now = datetime.now(UTC)
    async with runtime.transaction() as connection:
        await repository.withdraw(connection, {"expired": now - timedelta(hours=2), "valid": now})
        await repository.withdraw(connection, {"new": now})
        rows = await connection.execute(text("SELECT session_id FROM withdrawn_sessions ORDER BY 1"))
        assert list(rows.scalars()) == ["new", "valid"]


async def test_a_service_without_pages_takes_no_sessions(
    client: httpx.AsyncClient, runtime: Runtime[ServiceSettings]
) -> None:
    app = create_app(runtime, "Test")

    @app.get("/v1/scores")
    async def scores(_caller: Annotated[Caller, Depends(require("scores:read"))]) -> None: ...

    copied = await cookie_of(client)
    async with client_of(app) as without:
        assert (await without.get("/v1/scores", headers=copied)).status_code == 401
        assert (await without.get("/sign-in")).status_code == 404


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example/",
        "///evil.example/",
        "/\\evil.example",
        "\\/evil.example",
        "/\t/evil.example",
        " //evil.example",
        "javascript:alert(1)",
    ],
)
async def test_signing_in_never_leads_elsewhere(client: httpx.AsyncClient, target: str) -> None:
    response = await client.post("/sign-in", data={"key": KEY, "next": target})
    assert response.headers["location"] == "/"


async def test_another_sites_form_cannot_use_a_session(client: httpx.AsyncClient) -> None:
    await client.post("/sign-in", data={"key": KEY, "next": "/"})
    assert (await client.post("/change", headers={"Sec-Fetch-Site": "same-origin"})).status_code == 200
    assert (await client.post("/change", headers={"Sec-Fetch-Site": "cross-site"})).status_code == 303
    refused = await client.post("/sign-in", data={"key": KEY, "next": "/"}, headers={"Sec-Fetch-Site": "cross-site"})
    assert refused.status_code == 403 and "set-cookie" not in refused.headers
    ended = await client.post("/sign-out", headers={"Sec-Fetch-Site": "cross-site"})
    assert "set-cookie" not in ended.headers


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({"Origin": "http://test"}, True),
        ({"Origin": "http://127.0.0.1:8004"}, True),
        ({"Origin": "http://test.evil.example"}, False),
        ({"Origin": "null"}, False),
        ({"Origin": ""}, False),
        ({"Origin": "http://test", "Sec-Fetch-Site": "cross-site"}, False),
    ],
)
async def test_over_plain_http_the_origin_tells_whose_form_it_is(
    client: httpx.AsyncClient, headers: dict[str, str], allowed: bool
) -> None:
    """Browsers leave Sec-Fetch-Site out there. A proxy may have changed the host; the inbox's own address counts."""
    await client.post("/sign-in", data={"key": KEY, "next": "/"})
    assert (await client.post("/change", headers=headers)).status_code == (200 if allowed else 303)


async def test_a_session_changes_nothing_without_a_browsers_word_for_it(app: FastAPI) -> None:
    async with client_of(app, origin=None) as client:
        assert (await client.post("/sign-in", data={"key": KEY})).status_code == 403


async def test_guessing_keys_is_slowed_down(client: httpx.AsyncClient) -> None:
    for _ in range(10):
        assert "failed" in (await client.post("/sign-in", data={"key": "wrong"})).headers["location"]
    refused = await client.post("/sign-in", data={"key": KEY})
    assert (refused.status_code, refused.json()["title"]) == (429, "Too many attempts")
    assert 0 < int(refused.headers["retry-after"]) <= 60


@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
@pytest.mark.parametrize("announced", [True, False])
async def test_no_service_reads_a_body_without_end(
    client: httpx.AsyncClient, content_type: str, announced: bool
) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        start = b'--x\r\nContent-Disposition: form-data; name="key"; filename="k"\r\n\r\n'
        yield start if "multipart" in content_type else b"key="
        for _ in range(1_000):
            sent += 10_000
            yield b"a" * 10_000

    headers = {"Content-Type": content_type} | ({"Content-Length": "54000000"} if announced else {})
    response = await client.post("/sign-in", content=endless(), headers=headers)
    assert (response.status_code, response.json()["title"]) == (413, "The body is too large")
    assert sent <= MAX_BODY_BYTES + 20_000


async def test_what_may_be_personal_is_never_cached(client: httpx.AsyncClient) -> None:
    for path in ("/v1/scores", "/page", "/nothing", "/sign-in"):
        assert (await client.get(path, headers=bearer(KEY))).headers["cache-control"] == "no-store", path


async def test_what_was_being_sent_is_not_where_signing_in_leads_to(client: httpx.AsyncClient) -> None:
    response = await client.post("/change")
    assert response.headers["location"] == "/sign-in?next=%2F"


async def test_a_session_keeps_to_tls_where_staff_come_by_it(runtime: Runtime[ServiceSettings]) -> None:
    settings = runtime.settings.model_copy(update={"inbox_url": "https://inbox.example/"})
    app = create_app(replace(runtime, settings=settings), "Test", staff_pages=True)
    async with client_of(app) as client:
        accepted = await client.post("/sign-in", data={"key": KEY})
    assert "Secure" in accepted.headers["set-cookie"].split("; ")


async def test_head_is_answered_wherever_get_is_with_the_same_headers(client: httpx.AsyncClient) -> None:
    for path in ("/sign-in", "/healthz", "/robots.txt", "/static/base.css", "/page", "/nothing"):
        # Uncompressed: with another nonce, the same page may be a byte longer.
        plain = {"Accept-Encoding": "identity"}
        got, asked = await client.get(path, headers=plain), await client.head(path, headers=plain)
        assert asked.status_code == got.status_code, path
        assert asked.content == b""
        assert asked.headers["content-length"] == got.headers["content-length"], path
    assert (await client.head("/orders")).status_code == 405


PERSON = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/gone", 410, "It was here yesterday."),
        ("/nothing", 404, "Not Found"),
        ("/database", 503, "Try again"),
        ("/sign-in?failed=perhaps", 422, "Invalid request"),
    ],
)
async def test_a_person_is_told_of_a_problem_by_a_page(
    client: httpx.AsyncClient, path: str, status: int, words: str
) -> None:
    response = await client.get(path, headers=PERSON)
    assert response.status_code == status
    assert response.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert words in response.text and 'href="/"' in response.text


async def test_a_person_whose_key_does_not_cover_a_page_can_show_another(
    client: httpx.AsyncClient, app: FastAPI
) -> None:
    @app.get("/inbox")
    async def inbox(_caller: Annotated[Caller, Depends(staff("cases:read"))]) -> None: ...

    await client.post("/sign-in", data={"key": KEY})
    response = await client.get("/inbox", headers=PERSON)
    assert response.status_code == 403 and 'href="/sign-in"' in response.text
    program = await client.get("/v1/cases", headers=PERSON)
    assert program.headers["content-type"] == "application/problem+json"
