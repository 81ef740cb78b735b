"""A form is read whichever way it is encoded, and no body at all breaks its reader."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from shared.web.forms import read_form, storable_text, url_encoded
from tests.kit.http import client_of


@given(st.binary(max_size=300))
def test_any_bytes_are_a_form_or_none(body: bytes) -> None:
    url_encoded(body)


def test_a_form_with_a_thousand_fields_is_none() -> None:
    assert url_encoded(b"&".join(b"a=1" for _ in range(1000))) == {}


def test_bytes_of_another_charset_cost_only_their_own_field() -> None:
    assert url_encoded("score=3&comment=tr\xe8s bien".encode("latin-1")) == {"score": "3", "comment": "tr\ufffds bien"}


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("so late\r\nreally \r", "so late\nreally \n"),
        ("a\x00b", "ab"),
        ("👩‍👩‍👧 ótimo 최고 很好", "👩‍👩‍👧 ótimo 최고 很好"),
        (" \n\t\r\n", " \n\t\n"),
        ("half \ud83d pair", "half  pair"),
    ],
)
def test_a_written_text_is_kept_as_it_can_be_stored(written: str, kept: str) -> None:
    assert storable_text(written) == kept


@given(st.text())
def test_any_text_of_a_form_can_be_stored(text: str) -> None:
    kept = storable_text(text)
    kept.encode()
    assert "\x00" not in kept
    assert "\r" not in kept


async def test_a_form_is_read_whichever_way_it_is_encoded() -> None:
    async with client_of(_echo) as client:
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


_echo = Starlette(routes=[Route("/", _form, methods=["POST"])])
