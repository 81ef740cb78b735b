"""What the proxies of tests have in common: a port on this machine, and a task for each connection to it."""

import asyncio
from abc import ABC, abstractmethod
from typing import Self


class Forwarder(ABC):
    """Listens while its context is entered, at ``address``, and forwards connections to the target, ``host:port``."""

    def __init__(self, target: str) -> None:
        self._host, _, port = target.rpartition(":")
        self._port = int(port)
        self._tasks: set[asyncio.Task[None]] = set()
        self.address = ("", 0)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.address = self._server.sockets[0].getsockname()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def tasks(self) -> set[asyncio.Task[None]]:
        """Its own."""
        return self._tasks

    @abstractmethod
    async def _forward(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        """Serves one connection until it ends; it is closed afterwards."""

    async def _serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._forward(client, to_client)
        except (asyncio.CancelledError, OSError, asyncio.IncompleteReadError):
            pass  # asyncio would report it as an error of this callback
        finally:
            to_client.close()
            self._tasks.discard(task)
