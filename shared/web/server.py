"""The HTTP server of a process: uvicorn in an event loop shared with the other loops."""

import asyncio
import contextlib

import uvicorn
from fastapi import FastAPI


class CannotListen(RuntimeError):
    """The address is in use or not ours; only a configuration change helps."""


class Server:
    """uvicorn in our event loop. It must not handle signals: those stop the other loops first."""

    def __init__(self, app: FastAPI, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                host=host,
                port=port,
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
