"""``/v1/stream``: score changes as server-sent events (WHATWG HTML, section 9.2)."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from services.scorer.api.parameters import CampaignQuery, bad_segment
from services.scorer.domain.score_query import MAX_SEGMENTS
from services.scorer.domain.segments import BadSegment, read_segment, write_segment
from services.scorer.domain.stream import ScoreUpdate
from services.scorer.queries.scores import last_change
from services.scorer.settings import ScorerSettings
from shared.contracts.scores import Window
from shared.runtime import Runtime
from shared.web.auth import may_still_listen, require
from shared.web.parameters import known_parameters
from shared.web.problems import Problem, declared
from shared.web.stream import Listener, Stream

SegmentsQuery = Annotated[
    list[str],
    Query(alias="segment", max_length=MAX_SEGMENTS, description="`dimension:value`; when repeated, any of them."),
]

# Real seconds. A heartbeat comes as often when nothing else does.
_ALLOWED_SECONDS = 14.0


def routes(runtime: Runtime[ScorerSettings], stream: Stream[ScoreUpdate]) -> APIRouter:
    router = APIRouter(
        prefix="/v1/stream",
        tags=["scores"],
        dependencies=[Depends(require("scores:read")), Depends(known_parameters)],
        responses=declared(401, 403),
    )

    @router.get("", response_class=StreamingResponse)
    async def stream_scores(
        request: Request,
        segments: SegmentsQuery = [],  # noqa: B006  # FastAPI copies defaults
        window: Window | None = None,
        campaign: CampaignQuery = None,
        after: Annotated[
            int | None, Query(ge=0, lt=10**18, description="Like `Last-Event-ID`, for a first connection.")
        ] = None,
        last_event_id: Annotated[str | None, Header(pattern=r"^[0-9]{1,18}$")] = None,
    ) -> StreamingResponse:
        """Score changes, as server-sent events named `score.updated`.

        `Last-Event-ID` resumes after a disconnection, with the latest state of each changed score. A position above
        the newest, from before the database was restored, resumes with the latest state of every score.
        """
        try:
            chosen = {write_segment(read_segment(segment)) for segment in segments}
        except BadSegment as error:
            raise bad_segment(error) from error

        def wanted(update: ScoreUpdate) -> bool:
            return (
                (not chosen or update.segment in chosen)
                and window in (None, update.window)
                and campaign in (None, update.campaign)
            )

        if last_event_id is not None:
            after = int(last_event_id)
        async with runtime.read_only() as connection:
            newest = await last_change(connection)
        if after is None:
            after = newest
        elif after > newest:
            after = 0  # The position is of a database that was restored from a backup since: anything may differ.
        listener = stream.enter(wanted, after=after)
        if listener is None:
            raise Problem(
                503,
                "Too many live streams",
                detail="try again later, or on another replica",
                headers={"Retry-After": "30"},
            )
        return LiveResponse(stream, listener, partial(may_still_listen, request))

    return router


class LiveResponse(StreamingResponse):
    """The stream of one listener, which is removed however the stream ends."""

    def __init__(
        self, stream: Stream[ScoreUpdate], listener: Listener[ScoreUpdate], allowed: Callable[[], Awaitable[bool]]
    ) -> None:
        self._stream = stream
        self._listener = listener
        self.events = _events(listener.updates(), allowed)
        super().__init__(
            self.events,
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with asyncio.timeout(None) as self._listener.timeout:
                await super().__call__(scope, receive, send)
        except TimeoutError:
            pass  # A slow client: the server closes the connection, and the client may resume on another.
        finally:
            self._stream.leave(self._listener)


async def _events(
    updates: AsyncGenerator[ScoreUpdate | None, None], allowed: Callable[[], Awaitable[bool]]
) -> AsyncGenerator[bytes, None]:
    """Ends within ``_ALLOWED_SECONDS`` after the listener is no longer ``allowed``, as who signed out is."""
    yield b"retry: 2000\n\n"
    checked = time.monotonic()
    async for update in updates:
        if time.monotonic() - checked >= _ALLOWED_SECONDS:
            if not await allowed():
                return
            checked = time.monotonic()
        if update is None:
            yield b": still here\n\n"
        else:
            yield b"id: %d\nevent: score.updated\ndata: %b\n\n" % (update.change, update.body.encode())
