"""A network that a test can break: a TCP proxy in front of the broker, for chosen Kafka clients."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiokafka.client
import pytest

from tests.kit.eventually import until


class Proxy:
    """Forwards connections to ``host:port``. ``address`` is what clients connect to.

    ``hold`` keeps back what clients send from a content on, as a network does in which packets are on their way: it is
    delivered by ``heal``, even if the client has closed its connection meanwhile. ``cut`` lets nothing through either
    way until then, and accepts no connection.
    """

    def __init__(self, target: str) -> None:
        self._host, _, port = target.rpartition(":")
        self._port = int(port)
        self._open = asyncio.Event()
        self._open.set()
        self._accepting = True
        self._content: bytes | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._pending = 0
        self.address = ("", 0)

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.address = self._server.sockets[0].getsockname()

    def hold(self, content: bytes) -> None:
        self._content = content
        self._open.clear()

    def cut(self) -> None:
        self._accepting = False
        self.hold(b"")

    @property
    def holding(self) -> bool:
        """Whether something was sent by a client that has not been delivered."""
        return self._pending > 0

    async def heal(self) -> None:
        """Returns when everything held back has been delivered."""
        self._accepting = True
        self._content = None
        self._open.set()
        await until(lambda: self._pending == 0, "the proxy to deliver what it held", within=10, every=0.005)

    @property
    def tasks(self) -> set[asyncio.Task[None]]:
        """Its own."""
        return self._tasks

    async def stop(self) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            if self._accepting:
                await self._forward(reader, writer)
        except (asyncio.CancelledError, OSError):
            pass  # asyncio would report it as an error of this callback
        finally:
            writer.close()
            self._tasks.discard(task)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        broker_reader, broker = await asyncio.open_connection(self._host, self._port)
        back = asyncio.create_task(self._copy_back(broker_reader, writer))
        self._tasks.add(back)
        try:
            with contextlib.suppress(ConnectionError):
                while chunk := await reader.read(65_536):
                    if self._content is not None and self._content in chunk:
                        self._pending += 1
                        try:
                            await self._open.wait()
                            broker.write(chunk)
                            await broker.drain()
                        finally:
                            self._pending -= 1
                    else:
                        broker.write(chunk)
                        await broker.drain()
        finally:
            # A broker that sees the end of a connection drops the requests it has not read yet.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(back), 0.5)
            back.cancel()
            self._tasks.discard(back)
            broker.close()

    async def _copy_back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while chunk := await reader.read(65_536):
                if not self._accepting:
                    await self._open.wait()
                writer.write(chunk)
        if not self._accepting:
            await self._open.wait()
        writer.close()


@asynccontextmanager
async def proxy(target: str) -> AsyncIterator[Proxy]:
    running = Proxy(target)
    await running.start()
    try:
        yield running
    finally:
        await running.stop()


def reroute(monkeypatch: pytest.MonkeyPatch, proxies: dict[str, Proxy]) -> None:
    """Connections of Kafka clients with these ids go through their proxy, whatever address the broker advertises."""
    direct = aiokafka.client.create_conn

    async def create_conn(host: str, port: int, **options: Any) -> Any:
        if (through := proxies.get(options["client_id"])) is not None:
            host, port = through.address
        return await direct(host, port, **options)

    monkeypatch.setattr(aiokafka.client, "create_conn", create_conn)
