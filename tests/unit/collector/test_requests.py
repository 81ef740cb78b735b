"""What a client sends is taken exactly or refused with the field's name; nothing is guessed."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi.exceptions import RequestValidationError
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

from services.collector.api.answers import time_ordered_id
from services.collector.api.bodies import (
    BodyLimit,
    DirectAnswer,
    SurveyAnswer,
    form_score,
    read_form,
    read_json,
    url_encoded,
)


def refused_field(body: str) -> str:
    with pytest.raises(RequestValidationError) as refused:
        read_json(body.encode(), DirectAnswer)
    violation = refused.value.errors()[0]
    assert "input" not in violation
    return ".".join(str(part) for part in violation["loc"][1:])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ("{}", "score"),
        ('{"score": 11}', "score"),
        ('{"score": -1}', "score"),
        ('{"score": "9"}', "score"),
        ('{"score": 9.5}', "score"),
        ('{"score": true}', "score"),
        ('{"score": null}', "score"),
        ('{"score": 9, "scores": 1}', "scores"),
        ('{"score": 9, "comment": "a\\u0000b"}', "comment"),
        ('{"score": 9, "answered_at": 1700000000}', "answered_at"),
        ('{"score": 9, "answered_at": "2026-11-01T09:30:00"}', "answered_at"),
        ('{"score": 9, "answered_at": "2026-11-01"}', "answered_at"),
        ('{"score": 9, "answered_at": "9999-12-31T23:59:59Z"}', "answered_at"),
        ('{"score": 9, "answer_id": ""}', "answer_id"),
        ('{"score": 9, "answer_id": "a\\nb"}', "answer_id"),
        ('{"score": 9, "channel": "pigeon"}', "channel"),
        ('{"score": 9, "comment": "' + "x" * 5_001 + '"}', "comment"),
        ('{"score": 9, "segments": {"country": []}}', "segments.country"),
        ("[1]", ""),
        ("not json", ""),
    ],
)
def test_what_is_wrong_is_named(body: str, field: str) -> None:
    assert refused_field(body).startswith(field)


def test_what_is_right_is_taken() -> None:
    body = read_json(
        b'{"score": 0, "answered_at": "2026-11-01T09:30:00-03:00",'
        b' "segments": {"country": "BR", "category": ["a", "b"]}}',
        DirectAnswer,
    )
    assert body.said() == {
        "score": 0,
        "answered_at": datetime(2026, 11, 1, 12, 30, tzinfo=UTC),
        "segments": {"country": "BR", "category": ["a", "b"]},
    }


def test_a_part_left_out_is_not_said() -> None:
    assert read_json(b"{}", SurveyAnswer).said() == {}
    assert read_json(b'{"comment": ""}', SurveyAnswer).said() == {"comment": ""}


@given(st.text(max_size=4) | st.integers(-20, 200).map(str))
def test_a_forms_score_is_a_whole_number_from_0_to_10(written: str) -> None:
    score = form_score(written)
    assert score is None or str(score) == written
    if written in {str(number) for number in range(11)}:
        assert score == int(written)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_form_or_none(body: bytes) -> None:
    url_encoded(body)


def test_a_form_with_a_thousand_fields_is_none() -> None:
    assert url_encoded(b"&".join(b"a=1" for _ in range(1000))) == {}


def test_bytes_of_another_charset_cost_only_their_own_field() -> None:
    assert url_encoded("score=3&comment=tr\xe8s bien".encode("latin-1")) == {"score": "3", "comment": "tr\ufffds bien"}


async def test_a_form_is_read_whichever_way_it_is_encoded() -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(_echo), base_url="http://test") as client:
        for how in ({"data": {"a": "ü", "b": ""}}, {"files": {"a": (None, "ü"), "b": (None, "")}}):
            assert (await client.post("/", **how)).json() == {"a": "ü", "b": ""}
        twice: list[tuple[str, Any]] = [("a", (None, "first")), ("a", (None, "second")), ("f", ("name.txt", b"a file"))]
        assert (await client.post("/", files=twice)).json() == {"a": "first"}
        for body in (b"", b"--x", b"--x\r\n\r\n--x--", b"\xff" * 100):
            broken = await client.post("/", content=body, headers={"Content-Type": "multipart/form-data; boundary=x"})
            assert (broken.status_code, broken.json()) == (200, {})
        no_boundary = await client.post("/", content=b"a=1", headers={"Content-Type": "multipart/form-data"})
        assert (no_boundary.status_code, no_boundary.json()) == (200, {})


async def _form(request: Request) -> JSONResponse:
    return JSONResponse(await read_form(request))


_echo = BodyLimit(Starlette(routes=[Route("/", _form, methods=["POST"])]), seconds=0.2)


async def test_a_body_that_dribbles_is_not_waited_for() -> None:
    never = asyncio.Event()

    async def dribble() -> AsyncIterator[bytes]:
        yield b"score="
        await never.wait()

    async with httpx.AsyncClient(transport=httpx.ASGITransport(_echo), base_url="http://test") as client:
        async with asyncio.timeout(10):
            response = await client.post("/", content=dribble())
    assert (response.status_code, response.headers["connection"]) == (408, "close")


async def test_a_long_answer_may_take_longer_than_a_body() -> None:
    """What is waited for after the body is the client's leaving."""

    async def listening(request: Request) -> PlainTextResponse:
        await request.body()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                await request.receive()
        return PlainTextResponse("still here")

    app = BodyLimit(Starlette(routes=[Route("/", listening, methods=["POST"])]), seconds=0.2)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        assert (await client.post("/", content=b"a=1")).text == "still here"


def test_ids_follow_time() -> None:
    moments = [datetime(2026, 11, 1, 12, 0, 0, milliseconds * 1000, tzinfo=UTC) for milliseconds in range(50)]
    ids = [time_ordered_id(moment) for moment in moments]
    assert ids == sorted(ids)
    assert len({time_ordered_id(moments[0]) for _ in range(1000)}) == 1000
    assert UUID(ids[0]).version == 7
