"""The application every service builds on: probes, metrics, problem details, sign-in, trace context."""

import time
from pathlib import Path
from typing import Any

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy.exc import SQLAlchemyError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared import metrics, tracing
from shared.persistence.engine import is_fault_of_data
from shared.persistence.pool import for_requests
from shared.runtime import Runtime
from shared.web import auth, problems
from shared.web.compression import Compressed
from shared.web.limits import BodyLimit
from shared.web.pages import Pages
from shared.web.static_files import SHARED, StaticFiles

log = structlog.get_logger()


MAX_BODY_BYTES = 256 * 1024
"""The longest comment, campaign or set of routing rules fits however it is encoded."""


def create_app(
    runtime: Runtime[Any], title: str, *, folder: Path | None = None, base_path: str = "", staff_pages: bool = False
) -> FastAPI:
    """A FastAPI application with the common routes; the service adds its own. Larger bodies are refused unread.

    ``folder`` is the service's, if it has pages. ``base_path`` is the path of the public URL, such as ``/feedback``;
    see ``BasePath``. A service with ``staff_pages`` has the sign-in page and takes its sessions; it has the table of
    withdrawn ones, and their handler.
    """
    app = FastAPI(title=title, version="1", docs_url=None, redoc_url=None)
    pages = Pages((SHARED,), base_path)
    problems.install(app, pages, runtime.brand)
    auth.install(app, runtime, pages, staff_pages=staff_pages)

    @app.get("/healthz", include_in_schema=False)
    async def healthz() -> JSONResponse:
        """Whether all loops are alive. If not, only a restart helps."""
        dead = runtime.health.dead_loops()
        return JSONResponse({"ok": not dead, "loops": dead}, 503 if dead else 200)

    @app.get("/readyz", include_in_schema=False)
    async def readyz() -> JSONResponse:
        """Whether this process can work now. What is degraded takes no requests away from it."""
        with for_requests(False):  # A flood of requests makes no process unready.
            obstacles = await runtime.health.obstacles()
        report = {"ready": not obstacles, "obstacles": obstacles, "degraded": runtime.health.degraded()}
        return JSONResponse(report, 503 if obstacles else 200)

    @app.get("/metrics", include_in_schema=False)
    async def prometheus() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    @app.get("/robots.txt", include_in_schema=False)
    async def robots() -> PlainTextResponse:
        return PlainTextResponse("User-agent: *\nDisallow: /\n")

    @app.exception_handler(SQLAlchemyError)
    async def _database(request: Request, error: SQLAlchemyError) -> Response:
        return _failure(request, error)

    @app.exception_handler(OSError)
    async def _connection(request: Request, error: OSError) -> Response:
        return _failure(request, error)

    @app.exception_handler(Exception)
    async def _fault(_request: Request, _error: Exception) -> JSONResponse:
        # The server logs the exception under the trace id in the response.
        return problems.response(500, "Internal server error", detail="the cause is in the server's log")

    app.add_middleware(Compressed)
    app.add_middleware(BodyLimit, max_bytes=MAX_BODY_BYTES)
    app.add_middleware(StaticFiles, folders=(SHARED,) if folder is None else (folder / "web", SHARED))
    app.add_middleware(Observed)
    app.add_middleware(HeadAsGet)
    app.add_middleware(BasePath, base_path=base_path)
    return app


def _failure(request: Request, error: Exception) -> Response:
    """If a backend failed, the request may be retried: nothing was acknowledged."""
    if is_fault_of_data(error):
        log.error("a request could not be stored", error=type(error).__name__)
        return problems.reply(
            request, 422, "The request cannot be stored", detail="a field has a value that the database rejects"
        )
    # The SQLSTATE distinguishes an error in our SQL (42…) from a server that is down; the message could contain
    # personal data.
    sqlstate = getattr(getattr(error, "orig", None), "sqlstate", None)
    log.warning("a request failed because a backend is failing", error=type(error).__name__, sqlstate=sqlstate)
    return problems.reply(
        request,
        503,
        problems.TRY_AGAIN,
        detail="the database is not responding; nothing was recorded",
        headers={"Retry-After": "2"},
    )


class BasePath:
    """Serves an application under the path of its public URL, so that redirects, forms and assets keep that path,
    whether the proxy in front passes it on or strips it."""

    def __init__(self, app: ASGIApp, *, base_path: str) -> None:
        self._app = app
        self._base_path = base_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        base = self._base_path
        if base and scope["type"] == "http":
            path = scope["path"]
            public = path if path == base or path.startswith(f"{base}/") else base + path
            scope = {**scope, "path": public, "root_path": base}
        await self._app(scope, receive, send)


class HeadAsGet:
    """Serves HEAD wherever GET is served, with the same headers; an endless stream ends immediately."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        ended = False

        async def without_body(message: Message) -> None:
            nonlocal ended
            if message["type"] != "http.response.body":
                await send(message)
            elif not ended:
                ended = True
                await send({"type": "http.response.body", "body": b""})

        await self._app({**scope, "method": "GET"}, receive, without_body)


class Observed:
    """Reads the trace context, measures requests, and keeps them from taking the connections that the loops need.

    Pure ASGI: Starlette's middleware class buffers streams.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        tracing.enter(dict(scope["headers"]).get(b"traceparent", b"").decode("ascii", "replace"))
        started = time.perf_counter()
        status = 500

        async def observe(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = message.setdefault("headers", [])
                headers.append((b"x-content-type-options", b"nosniff"))
                if not any(name == b"cache-control" for name, _ in headers):
                    # Most of what is served is about customers; what may be cached says so itself.
                    headers.append((b"cache-control", b"no-store"))
            await send(message)

        try:
            with for_requests():
                await self._app(scope, receive, observe)
        finally:
            # The route's template, never the path: paths contain tokens and have unbounded values.
            route = getattr(scope.get("route"), "path", "unmatched")
            metrics.http_requests.labels(route, scope["method"], f"{status // 100}xx").inc()
            metrics.http_seconds.labels(route).observe(time.perf_counter() - started)
