"""A short way for requests that are plainly in order, in front of the framework's long one.

Reading headers, resolving dependencies and validating costs several times what such a request itself does. The short
way takes a request only if it understands all of it; everything else, and every request that is refused or fails, goes
through the framework, which has what was read and knows what was submitted, so that nothing is done twice. Both must
accept the same and reply the same: a property test of each short way shows it.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from fastapi import Request
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

T = TypeVar("T")

_SUBMITTED = "hearback.submitted"
_LONGEST_BODY = 65_536


@dataclass(frozen=True, slots=True)
class Reply:
    """A response to a request that was in order."""

    status: int
    headers: Sequence[tuple[bytes, bytes]] = ()
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Submitted(Generic[T]):
    """A request whose ``outcome`` is on its way, and the reply if it is a result."""

    outcome: asyncio.Future[T]
    reply: Callable[[T], Reply]


class PlainPath(Protocol):
    """One operation's short way. ``template`` is its path as the framework's route has it, for the metrics."""

    template: str
    media_type: bytes

    def takes(self, path: str) -> bool:
        """Whether a POST to ``path`` may go it."""
        ...

    def submit(self, path: str, headers: Mapping[bytes, bytes], body: bytes) -> Submitted[Any] | None:
        """None if the request is not plainly in order; then nothing has happened."""
        ...


@dataclass(frozen=True, slots=True)
class _Route:
    path: str


class PlainPaths:
    """Middleware with the short ways of ``paths``, each a POST without parameters, to be next to the framework's own
    routes: limits and metrics are in front of it."""

    def __init__(self, app: ASGIApp, *, paths: Sequence[PlainPath]) -> None:
        self._app = app
        self._paths = [(path, _Route(path.template)) for path in paths]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "POST" and not scope["query_string"]:
            for plain, route in self._paths:
                if plain.takes(scope["path"].removeprefix(scope["root_path"])):
                    await self._try(plain, route, scope, receive, send)
                    return
        await self._app(scope, receive, send)

    async def _try(self, plain: PlainPath, route: _Route, scope: Scope, receive: Receive, send: Send) -> None:
        headers: dict[bytes, bytes] = dict(scope["headers"])
        length = headers.get(b"content-length", b"")
        if (
            headers.get(b"content-type") != plain.media_type
            or len(headers) != len(scope["headers"])  # one of them twice
            or not length.isdigit()
            or int(length) > _LONGEST_BODY
        ):
            await self._app(scope, receive, send)
            return
        read: list[Message] = []
        refusal: HTTPException | None = None
        try:
            read.append(message := await receive())
            while message["type"] == "http.request" and message.get("more_body"):
                read.append(message := await receive())
        except HTTPException as error:  # too slow or too large: the framework tells it
            refusal = error

        async def again() -> Message:
            if read:
                return read.pop(0)
            if refusal is not None:
                raise refusal
            return await receive()

        submitted = None
        if refusal is None and message["type"] == "http.request":
            body = b"".join(message.get("body", b"") for message in read)
            submitted = plain.submit(scope["path"], headers, body)
        if submitted is not None:
            try:
                result = await submitted.outcome
            except Exception:  # the framework's route meets it again
                scope[_SUBMITTED] = submitted.outcome
            else:
                scope["route"] = route
                await _send(submitted.reply(result), send)
                return
        await self._app(scope, again, send)


def submitted(request: Request) -> asyncio.Future[Any] | None:
    """What has been submitted of a request that the short way took and that was not done: it raises what the submission
    did."""
    found: asyncio.Future[Any] | None = request.scope.get(_SUBMITTED)
    return found


async def _send(reply: Reply, send: Send) -> None:
    headers = [*reply.headers, (b"content-length", b"%d" % len(reply.body))]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})
