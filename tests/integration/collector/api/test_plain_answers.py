"""The short way of answers that are plainly in order accepts and replies what the framework's way does."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
import pytest_asyncio
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.middleware import Middleware
from starlette.types import Receive, Scope, Send

from services.collector import wiring
from services.collector.actions.contention import Overloaded
from services.collector.domain.answers import (
    AnswerAccepted,
    AnswerOfAnother,
    AnswerParts,
    DirectAnswer,
    GivenBeforeErasure,
    KeyReused,
)
from services.collector.settings import CollectorSettings
from services.collector.wiring import build
from shared.links import Links
from shared.runtime import open_runtime
from shared.web.limits import BodyLimit
from shared.web.plain import PlainPaths
from tests.integration.collector.kit import NOON, Collector
from tests.kit.clock import ChosenClock
from tests.kit.http import bearer, client_of
from tests.kit.settings import KEY, api_key, settings_for

JSON = {**bearer(KEY), "Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Missed:
    """In place of the framework: nothing may come here."""

    async def __call__(self, scope: Scope, _receive: Receive, _send: Send) -> None:
        raise AssertionError(f"{scope['path']} was not taken")


@dataclass
class Writer:
    """In place of the real one: notes what was submitted, and accepts or refuses it."""

    submitted: list[object] = field(default_factory=list)
    refusal: Exception | None = None

    def submit_directly(self, body: DirectAnswer, *, caller: str, idempotency_key: str | None) -> Any:
        return self._submit(body.answer_id or "an id", (body, caller, idempotency_key))

    def submit_survey(self, send_id: str, given: AnswerParts) -> Any:
        return self._submit(send_id, (send_id, given))

    def _submit(self, answer_id: str, what: object) -> Any:
        self.submitted.append(what)
        outcome = asyncio.get_running_loop().create_future()
        if self.refusal is not None:
            outcome.set_exception(self.refusal)
        else:
            outcome.set_result(AnswerAccepted(answer_id=answer_id, revision=7))
        return outcome


@dataclass(frozen=True)
class Ways:
    """Clients of the short way, behind which there is nothing, of the framework's, and of one behind the other."""

    short: httpx.AsyncClient
    long: httpx.AsyncClient
    both: httpx.AsyncClient
    writer: Writer
    links: Links

    async def compare(self, path: str, content: bytes, headers: Mapping[str, str]) -> httpx.Response | None:
        """The response to what the short way takes: the same, as was submitted, as the framework's; None for what it
        does not take."""
        self.writer.submitted.clear()
        try:
            response = await self.short.post(path, content=content, headers=dict(headers))
        except AssertionError as error:
            assert "was not taken" in str(error)
            assert self.writer.submitted == []
            return None
        other = await self.long.post(path, content=content, headers=dict(headers))
        one_submitted, other_submitted = self.writer.submitted
        assert one_submitted == other_submitted
        assert comparable(response) == comparable(other)
        return response


def comparable(response: httpx.Response) -> tuple[int, Any, dict[str, str]]:
    body = response.json() if response.headers.get("content-type", "").endswith("json") else response.content
    if isinstance(body, dict):
        body.pop("trace", None)
    headers = dict(response.headers)
    for of_every_response in ("x-content-type-options", "cache-control", "content-length"):
        headers.pop(of_every_response, None)
    return response.status_code, body, headers


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def ways() -> AsyncIterator[Ways]:
    settings = settings_for(
        CollectorSettings, "postgresql://nobody@127.0.0.1:1/nowhere", api_key("shop", "answers:write")
    )
    writer = Writer()
    with pytest.MonkeyPatch().context() as patch:
        patch.setattr(wiring, "AnswerWriter", lambda _runtime: writer)
        async with open_runtime("collector", settings) as runtime:
            runtime.clock = ChosenClock(NOON)
            both, long = build(runtime).app, build(runtime).app
            paths = next(each for each in both.user_middleware if _is(each, PlainPaths))
            for limit in (each for app in (both, long) for each in app.user_middleware if _is(each, BodyLimit)):
                limit.kwargs["seconds"] = 0.2
            long.user_middleware = [each for each in long.user_middleware if not _is(each, PlainPaths)]
            async with (
                client_of(PlainPaths(Missed(), **paths.kwargs)) as one,  # type: ignore[arg-type]
                client_of(long) as two,
                client_of(both) as three,
            ):
                yield Ways(one, two, three, writer, runtime.links)


def _is(middleware: Middleware, kind: type) -> bool:
    return middleware.cls is kind  # type: ignore[comparison-overlap]


def identifiers() -> st.SearchStrategy[Any]:
    return st.one_of(
        st.text(st.characters(codec="utf-8"), min_size=0, max_size=8),
        st.sampled_from(["c-1", "c-2", "x" * 200, "x" * 201, "a\u2028b", 'quo"te\\', "é", "e\u0301", "\x7f"]),
        st.integers(),
        st.none(),
    )


ODD = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=5,
)
LABEL = st.sampled_from(["country", "br", " BR ", "São Paulo", "Sa\u0303o Paulo", "", "  ", "toys", "x" * 101, "\x00"])
BODY = st.fixed_dictionaries(
    {"score": st.one_of(st.integers(-1, 12), st.sampled_from([9, 0, 10, 9.0, "9", True, None, 2**70, -0.0]))},
    optional={
        "customer_id": identifiers(),
        "order_id": identifiers(),
        "answer_id": identifiers(),
        "campaign": st.sampled_from(["till", "", None]),
        "channel": st.sampled_from(["widget", "email", "fax", None]),
        "comment": st.one_of(st.text(max_size=10), st.sampled_from(["x" * 5_000, "x" * 5_001, "\x00", "", None])),
        "answered_at": st.sampled_from(
            ["2026-10-30T09:30:00-03:00", "2026-11-01T12:05:01Z", "2026-10-30", 1_760_000_000, "2026-10-30T09:30:00.5Z"]
        ),
        "segments": st.one_of(st.dictionaries(LABEL, st.one_of(LABEL, st.lists(LABEL, max_size=3)), max_size=3), ODD),
        "further_answers": st.one_of(st.dictionaries(LABEL, LABEL, max_size=2), ODD),
        "else": ODD,
    },
)
AS_JSON = {"Content-Type": "application/json"}
HEADERS = st.one_of(
    st.just(JSON),
    st.sampled_from(
        [
            {**bearer(KEY), "Content-Type": "application/json; charset=utf-8"},
            {**bearer(KEY), "Content-Type": "application/merge-patch+json"},
            {**bearer(KEY), "Content-Type": "text/plain"},
            {**JSON, "Idempotency-Key": "k-1"},
            {**JSON, "Idempotency-Key": "x" * 201},
            {**AS_JSON, "Authorization": f"bearer {KEY}"},
            {**AS_JSON, "Authorization": f"Bearer  {KEY}"},
            {**AS_JSON, "Authorization": "Bearer wrong"},
            AS_JSON,
        ]
    ),
)


def written(body: object, odd: int) -> bytes:
    """As some client would write it."""
    plain = json.dumps(body).encode()
    variants = [
        *[plain] * 8,
        json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogatepass"),
        b" " + plain + b"\n",
        b"\xef\xbb\xbf" + plain,
        plain.decode().encode("utf-16"),
        plain.replace(b":", b" :\t"),
        plain[:-1],
        plain + b"}",
        b"[" + plain + b"]",
        b"",
        *[plain[:-1] + b"," + more + b"}" for more in _MORE],
    ]
    return variants[odd % len(variants)]


_MORE = (
    b'"score":7',
    b'"score":007',
    b'"score":-0',
    b'"score":9.0',
    b'"score":1e1',
    b'"score":18446744073709551616',
    b'"comment":NaN',
    b'"comment":"\\ud83d"',
    b'"comment":"\\ud83d\\ude00"',
    b'"comment":"\xff"',
    b'"comment":"a\tb"',
    b'"segments":{"a":"1","a":"2"}',
    b'"answer_id":"a","answer_id":"b"',
)


@settings(max_examples=500)
@given(body=BODY, odd=st.integers(0, 40), headers=HEADERS)
async def test_an_answer_is_the_same_on_both_ways(
    ways: Ways, body: dict[str, Any], odd: int, headers: Mapping[str, str]
) -> None:
    response = await ways.compare("/v1/answers", written(body, odd), headers)
    assert response is None or response.status_code == 202


@settings(max_examples=200)
@given(
    form=st.dictionaries(
        st.sampled_from(["score", "comment", "else"]),
        st.one_of(st.sampled_from(["9", "0", "10", "11", "", "x", "a\r\nb\x00 ", "x" * 5_001]), st.text(max_size=5)),
    ),
    odd=st.sampled_from([b"", b"&", b"&score=3", b"&comment=%ff", b"&=%", b"&score=%39"]),
)
async def test_a_form_is_the_same_on_both_ways(ways: Ways, form: dict[str, str], odd: bytes) -> None:
    page = f"/s/{ways.links.token('answer', 's-1')}"
    content = urlencode(form, errors="surrogatepass").encode() + odd
    response = await ways.compare(page, content, FORM)
    assert response is None or response.status_code == 303


@pytest.mark.parametrize("refusal", [GivenBeforeErasure(), KeyReused(), AnswerOfAnother(), Overloaded(7), OSError()])
async def test_what_is_refused_is_submitted_once_and_told_as_ever(ways: Ways, refusal: Exception) -> None:
    ways.writer.submitted.clear()
    ways.writer.refusal = refusal
    try:
        one, other = [
            await client.post("/v1/answers", content=b'{"score": 3}', headers=JSON) for client in (ways.both, ways.long)
        ]
    finally:
        ways.writer.refusal = None
    assert len(ways.writer.submitted) == 2
    assert comparable(one) == comparable(other)
    assert one.status_code >= 400


async def test_what_clients_usually_send_goes_the_short_way(ways: Ways) -> None:
    body = {"answer_id": "a-1", "score": 9, "customer_id": "c-1", "segments": {"country": "BR"}, "comment": "é"}
    assert await ways.compare("/v1/answers", json.dumps(body).encode(), JSON) is not None
    assert await ways.compare("/v1/answers", b'{"score":3}', {**JSON, "Idempotency-Key": "1"}) is not None
    page = f"/s/{ways.links.token('answer', 's-1')}"
    for form in (b"score=3", b"comment=so+late", b"comment=", b"score=4&comment="):
        assert await ways.compare(page, form, FORM) is not None


async def test_what_is_odd_does_not(ways: Ways) -> None:
    page = f"/s/{ways.links.token('answer', 's-1')}"
    odd: list[tuple[str, bytes, Mapping[str, str]]] = [
        ("/v1/answers?x=1", b'{"score":3}', JSON),
        ("/v1/answers", b'{"score":3}', {**JSON, "Authorization": "Bearer wrong"}),
        ("/v1/answers", b'{"score":3,"answered_at":"2026-11-01T12:05:01Z"}', JSON),
        ("/v1/answers", b'{"score":3,"comment":"' + b" " * 70_000 + b'"}', JSON),
        (f"{page}?lang=pt", b"score=3", FORM),
        (page[:-1], b"score=3", FORM),
        (page, b"score=3", {"Content-Type": "multipart/form-data; boundary=x"}),
    ]
    for path, content, headers in odd:
        assert await ways.compare(path, content, headers) is None


async def test_the_short_way_is_counted_and_limited_as_the_other(collector: Collector) -> None:
    async def count(route: str) -> float:
        told = (await collector.client.get("/metrics")).text.splitlines()
        name = f'hearback_http_requests_total{{method="POST",route="{route}",status="'
        return sum(float(line.split()[-1]) for line in told if line.startswith(name))

    page = await collector.send()
    answers, forms = await count("/v1/answers"), await count("/s/{token}")
    assert (await collector.post_answer(score=3)).headers["x-content-type-options"] == "nosniff"
    assert (await collector.post_answer(score=11)).status_code == 422
    await collector.client.post(page, data={"score": "3"})
    await collector.client.post(page, data={"score": "11"})
    assert (await count("/v1/answers"), await count("/s/{token}")) == (answers + 2, forms + 2)
    large = await collector.client.post("/v1/answers", content=b" " * 300_000, headers=JSON)
    assert large.status_code == 413


async def test_a_body_that_dribbles_is_told_so_on_both_ways(ways: Ways) -> None:
    content = b'{"score": 3}'
    headers = {**JSON, "Content-Length": str(len(content))}

    async def dribble() -> AsyncIterator[bytes]:
        yield content[:5]
        await asyncio.Event().wait()

    ways.writer.submitted.clear()
    responses = [
        await client.post("/v1/answers", content=dribble(), headers=headers) for client in (ways.both, ways.long)
    ]
    one, other = map(comparable, responses)
    assert one == other
    assert responses[0].status_code == 408 and ways.writer.submitted == []
