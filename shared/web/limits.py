"""Limits the size of a request's body and the time it may take to arrive, checked while it arrives."""

import asyncio

from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.web.problems import BodyProblem, Problem, response

BODY_SECONDS = 30.0
"""Real seconds a body may take to arrive, so that a slow client does not hold a connection forever."""

_TOO_LARGE = "The body is too large"
_TOO_SLOW = "The body is too slow"


class BodyLimit:
    """Middleware that rejects bodies of more than ``max_bytes``, and those that take longer than ``seconds``."""

    def __init__(self, app: ASGIApp, *, max_bytes: int, seconds: float = BODY_SECONDS) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = dict(scope["headers"]).get(b"content-length", b"0")
        if announced.isdigit() and int(announced) > self._max_bytes:
            await response(413, _TOO_LARGE, detail=_maximum(self._max_bytes))(scope, receive, send)
            return
        received = 0
        arriving = True
        deadline = asyncio.get_running_loop().time() + self._seconds

        async def limited() -> Message:
            nonlocal received, arriving
            try:
                # After the body, only a disconnect can follow, and that may take as long as the response.
                async with asyncio.timeout_at(deadline if arriving else None):
                    message = await receive()
            except TimeoutError:
                raise BodyProblem(
                    408, _TOO_SLOW, detail="the body did not arrive in time", headers={"Connection": "close"}
                ) from None
            arriving = arriving and bool(message.get("more_body"))
            received += len(message.get("body", b""))
            if received > self._max_bytes:
                raise BodyProblem(413, _TOO_LARGE, detail=_maximum(self._max_bytes))
            return message

        await self._app(scope, limited, send)


async def limited_body(request: Request, max_bytes: int) -> bytes:
    """The whole body, for a route of an application without ``BodyLimit``; a 413 problem when it is larger."""
    received = bytearray()
    async for part in request.stream():
        received += part
        if len(received) > max_bytes:
            raise Problem(413, _TOO_LARGE, detail=_maximum(max_bytes))
    return bytes(received)


async def limited_text(request: Request, max_bytes: int) -> str:
    """Like ``limited_body``, decoded; a 422 problem when it is not UTF-8."""
    try:
        return (await limited_body(request, max_bytes)).decode()
    except UnicodeDecodeError as error:
        raise Problem(
            422, "The body is not text", detail=f"byte {error.start} is not UTF-8; encode the text as UTF-8"
        ) from error


def _maximum(max_bytes: int) -> str:
    return f"the maximum is {max_bytes:,} bytes"
