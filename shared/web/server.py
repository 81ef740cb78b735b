"""The HTTP server of a process: uvicorn in an event loop shared with the other loops."""

import asyncio
import contextlib

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

HEADER_SECONDS = 15.0
"""Real seconds a request's line and headers may take to arrive; uvicorn itself would wait for ever."""
MAX_HEADER_BYTES = 64 * 1024
"""Of a request's line and headers that are not yet complete; uvicorn itself has no limit."""
MAX_CONNECTIONS = 2_000
"""More are answered with 503 at once, so that idle connections cannot exhaust the process."""


class CannotListen(RuntimeError):
    """The address is in use or not ours; only a configuration change helps."""


class BoundedHeaders(HttpToolsProtocol):
    """uvicorn's protocol, which ends a connection whose headers are too slow or too large."""

    header_seconds = HEADER_SECONDS

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn declares it
        super().connection_made(transport)
        self._header_bytes = 0
        self._waiting: asyncio.TimerHandle | None = None
        self._wait_for_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        self._have_headers()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._waiting is not None:
            self._header_bytes += len(data)
            if self._header_bytes > MAX_HEADER_BYTES:
                self._refuse(431)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._wait_for_headers()

    def on_headers_complete(self) -> None:
        self._have_headers()
        super().on_headers_complete()

    def _wait_for_headers(self) -> None:
        if self._waiting is None:
            self._waiting = self.loop.call_later(self.header_seconds, self._refuse, 408)

    def _have_headers(self) -> None:
        self._header_bytes = 0
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _refuse(self, status: int) -> None:
        self._have_headers()
        # An earlier response on this connection may still be on its way: then nothing may be written in between.
        if self.cycle is None or self.cycle.response_complete:
            self.transport.write(STATUS_LINE[status] + b"content-length: 0\r\nconnection: close\r\n\r\n")
        self.transport.close()


class Server:
    """uvicorn in our event loop. It must not handle signals: those stop the other loops first."""

    def __init__(self, app: ASGIApp, host: str, port: int, protocol: type[BoundedHeaders] = BoundedHeaders) -> None:
        self._host = host
        self._port = port
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                host=host,
                port=port,
                http=protocol,
                ws="none",
                limit_concurrency=MAX_CONNECTIONS,
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=5,
                lifespan="off",
            )
        )
        self.task: asyncio.Task[None]

    async def start(self) -> None:
        """Returns when requests are accepted; raises CannotListen."""
        self.task = asyncio.create_task(self._serve(), name="http")
        while not self._server.started:
            if self.task.done():
                raise CannotListen(
                    f"cannot listen on {self._host} port {self._port}; is the port in use by another process? "
                    "HEARBACK_HTTP_PORT sets another"
                )
            await asyncio.sleep(0.01)

    async def _serve(self) -> None:
        # serve() would install signal handlers, and exit the interpreter when it cannot listen; we decide both.
        with contextlib.suppress(SystemExit):
            await self._server._serve()  # noqa: SLF001  # the public one installs signal handlers

    async def stop(self, seconds: float) -> None:
        """Finishes the requests in progress, for at most that many seconds."""
        self._server.should_exit = True
        with contextlib.suppress(TimeoutError, asyncio.CancelledError):
            await asyncio.wait_for(self.task, seconds)
