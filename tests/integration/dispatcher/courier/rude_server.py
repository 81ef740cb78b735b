"""A line-by-line mail server that can misbehave where a proper one cannot: at any step of the conversation."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from email import message_from_bytes
from email.message import Message

CLOSE = "close"
SILENCE = "silence"


class RudeServer:
    """``rudeness[step]`` is sent once instead of the proper reply, or is CLOSE, or SILENCE.

    Steps: ``greeting``, the commands in capitals, and ``content`` (after the whole email, which is then not
    stored). ``kept`` are the emails it accepted, ``connections`` how often somebody connected.

    With ``pipelining`` it offers that; with ``drops_behind`` it loses what comes right behind the end of an email.
    Replies to the steps in ``held``, in this order, are sent only with the next one that is not: whoever waits for them
    waits for ever.
    """

    def __init__(self, *, pipelining: bool = False) -> None:
        self.pipelining = pipelining
        self.drops_behind = False
        self.connections = 0
        self.held: list[str] = []
        self.rudeness: dict[str, str] = {}
        self.kept: list[Message] = []
        self.heard: list[str] = []
        self.port = 0
        self._extensions = ["250-rude.test", *(["250-PIPELINING"] if pipelining else []), "250 SIZE 1000000"]
        self._silent = asyncio.Event()
        self._waiting: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._converse(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        await self._reply(writer, "greeting", "220 rude.test")
        while line := (await reader.readline()).decode().strip():
            step = line.split()[0].upper()
            self.heard.append(line)
            proper = {"EHLO": "\r\n".join(self._extensions), "DATA": "354 go on", "QUIT": "221 bye"}.get(step, "250 ok")
            said = await self._reply(writer, step, proper)
            if step == "QUIT":
                return
            if step == "DATA" and said.startswith("354"):
                content = await reader.readuntil(b"\r\n.\r\n")
                if "content" not in self.rudeness:
                    self.kept.append(message_from_bytes(content[:-3]))
                if self.drops_behind:
                    with suppress(TimeoutError):
                        await asyncio.wait_for(reader.read(65_536), 0.05)
                await self._reply(writer, "content", "250 kept")

    async def _reply(self, writer: asyncio.StreamWriter, step: str, proper: str) -> str:
        said = self.rudeness.pop(step, proper)
        if said == CLOSE:
            raise ConnectionError
        if said == SILENCE:
            await self._silent.wait()
        self._waiting.append(f"{said}\r\n")
        if self.held and self.held[0] == step:
            del self.held[0]
        else:
            writer.write("".join(self._waiting).encode())
            self._waiting.clear()
            await writer.drain()
        return said

    def end(self) -> None:
        self._silent.set()


@asynccontextmanager
async def open_rude_server(*, pipelining: bool = False) -> AsyncIterator[RudeServer]:
    rude = RudeServer(pipelining=pipelining)
    server = await asyncio.start_server(rude.serve, "127.0.0.1", 0)
    rude.port = server.sockets[0].getsockname()[1]
    try:
        yield rude
    finally:
        rude.end()
        server.close()
