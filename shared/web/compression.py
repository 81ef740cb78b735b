"""Compresses responses that are text, with gzip, which every browser takes.

Smaller bodies than ``SMALLEST_BYTES`` go as they are: they fit one packet either way. So does what is sent in parts,
such as a live stream, whose first part would otherwise wait for the last.

A request that another site made a browser send along with its cookies is answered uncompressed. Whoever can choose part
of a page, such as a search that it repeats, and see how long the encrypted response is, could otherwise guess the rest
letter by letter (BREACH, Y. Gluck, N. Harris and A. Prado, 2013). Browsers say which site a request comes from. A page
that another site opened asks for its parts itself, with what that site has chosen; so with cookies, nothing is
compressed that repeats text of its address either.
"""

import asyncio
import gzip
import re

from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SMALLEST_BYTES = 1_000
_LARGE_BYTES = 64 * 1_024
"""From here on it takes milliseconds, in which the loops of the process would stand still."""
_LEVEL = 5
_WITHOUT_BODY = (204, 304)
_TEXT = re.compile(r"text/(?!event-stream)|image/svg\+xml|application/(?:[\w.-]+\+)?(?:json|javascript|yaml)\b")
_OWN_SITE = ("same-origin", "none")
_REPEATED = frozenset({"campaign", "find", "owner", "search", "segment"})
"""The parameters whose text is repeated in pages for staff, whatever it is; ``by`` must be one of few that exist."""


class Compressed:
    """Middleware that compresses each response whose client takes it. Pure ASGI."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # What answers a change is short, and answers are posted by thousands.
        if scope["type"] != "http" or scope["method"] != "GET" or not may_compress(scope):
            await self._app(scope, receive, send)
            return
        start: Message | None = None

        async def compressing(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start" and _is_text(message):
                start = message
                return
            if start is not None:
                body = message.get("body", b"")
                if len(body) >= SMALLEST_BYTES and not message.get("more_body"):
                    message = {**message, "body": await _gzip(body)}
                    headers = MutableHeaders(raw=list(start["headers"]))
                    headers["Content-Encoding"] = "gzip"
                    headers["Content-Length"] = str(len(message["body"]))
                    start = {**start, "headers": headers.raw}
                await send(start)
                start = None
            await send(message)

        await self._app(scope, receive, compressing)


def may_compress(scope: Scope) -> bool:
    """Whether the response to a request may be compressed with gzip."""
    headers = Headers(scope=scope)
    if "cookie" in headers and (
        headers.get("sec-fetch-site") not in _OWN_SITE or _REPEATED & QueryParams(scope["query_string"]).keys()
    ):
        return False
    return accepts_gzip(headers.get("accept-encoding", ""))


def accepts_gzip(accepted: str) -> bool:
    """By the value of Accept-Encoding."""
    for offer in accepted.split(","):
        name, _, quality = offer.partition(";")
        if name.strip().lower() in ("gzip", "*"):
            return not re.fullmatch(r"\s*q=0(\.0*)?\s*", quality)
    return False


def compressed(content: bytes, level: int = 9) -> bytes:
    """The same bytes for the same content."""
    return gzip.compress(content, level, mtime=0)


async def _gzip(body: bytes) -> bytes:
    if len(body) < _LARGE_BYTES:
        return compressed(body, _LEVEL)
    return await asyncio.to_thread(compressed, body, _LEVEL)


def _is_text(start: Message) -> bool:
    headers = Headers(raw=list(start.get("headers", ())))
    encoded = "content-encoding" in headers or start["status"] in _WITHOUT_BODY
    return not encoded and _TEXT.match(headers.get("content-type", "")) is not None
