"""A network that a test can break: a TCP proxy in front of the broker, for chosen Kafka clients."""

import asyncio
import contextlib
from typing import Any

import aiokafka.client
import pytest

from tests.kit.eventually import until
from tests.kit.forwarding import Forwarder


class Proxy(Forwarder):
    """Forwards connections to ``host:port``. ``address`` is what clients connect to.

    ``hold`` keeps back what clients send from a content on, as a network does in which packets are on their way: it is
    delivered by ``heal``, even if the client has closed its connection meanwhile. ``cut`` lets nothing through either
    way until then, and accepts no connection.
    """

    def __init__(self, target: str) -> None:
        super().__init__(target)
        self._open = asyncio.Event()
        self._open.set()
        self._accepting = True
        self._content: bytes | None = None
        self._pending = 0

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

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._accepting:
            return
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


def reroute(monkeypatch: pytest.MonkeyPatch, proxies: dict[str, Proxy]) -> None:
    """Connections of Kafka clients with these ids go through their proxy, whatever address the broker advertises."""
    direct = aiokafka.client.create_conn

    async def create_conn(host: str, port: int, **options: Any) -> Any:
        if (through := proxies.get(options["client_id"])) is not None:
            host, port = through.address
        return await direct(host, port, **options)

    monkeypatch.setattr(aiokafka.client, "create_conn", create_conn)
