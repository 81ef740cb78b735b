"""The HTTP server of a process: uvicorn inside a loop that others share."""

import asyncio
import contextlib

import uvicorn
from fastapi import FastAPI


class CannotListen(RuntimeError):
    """Only somebody who mends the address or the configuration can help."""


class Server:
    """uvicorn inside our loop; it must not take the signals, which end the loops first."""

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
        """Returns when requests are taken; raises CannotListen."""
        self.task = asyncio.create_task(self._serve(), name="http")
        while not self._server.started:
            if self.task.done():
                raise CannotListen(
                    f"port {self._port} on {self._host} cannot be listened on; is another "
                    "process there? HEARBACK_HTTP_PORT chooses another"
                )
            await asyncio.sleep(0.01)

    async def _serve(self) -> None:
        # serve() installs signal handlers and exits the interpreter when it cannot listen; both are ours to decide.
        with contextlib.suppress(SystemExit):
            await self._server._serve()  # noqa: SLF001

    async def stop(self, seconds: float) -> None:
        """Finishes the requests under way, for at most so many seconds."""
        self._server.should_exit = True
        with contextlib.suppress(TimeoutError, asyncio.CancelledError):
            await asyncio.wait_for(self.task, seconds)
