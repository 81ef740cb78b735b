"""A mail server with moods: a proxy in front of one that works."""

import asyncio
import contextlib
from random import Random
from typing import Literal

from tests.kit.forwarding import Forwarder

Mood = Literal["fine", "4xx", "5xx", "421", "slow", "closes_during_content", "closes_before_reply"]
MOODS: tuple[Mood, ...] = ("4xx", "5xx", "421", "slow", "closes_during_content", "closes_before_reply")

_REPLIES = {
    "4xx": b"451 4.3.0 Try again later\r\n",
    "5xx": b"550 5.7.1 Refused by policy\r\n",
    "421": b"421 4.7.0 Too busy, closing\r\n",
}


class SmtpProxy(Forwarder):
    """Forwards SMTP to ``host:port``. While its ``mood`` is not fine, it spoils most emails in that way.

    ``slow`` holds every reply back for some seconds; ``closes_before_reply`` breaks the connection after the server has
    taken the email, so that the client cannot know that it has.
    """

    def __init__(self, target: str, random: Random) -> None:
        super().__init__(target)
        self._random = random
        self.mood: Mood = "fine"
        self.spoilt = 0
        """Emails and replies so far."""

    async def _forward(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        server, to_server = await asyncio.open_connection(self._host, self._port)
        try:
            await self._reply(server, to_client)  # the greeting
            while line := await client.readline():
                command = line[:4].upper()
                spoilt = command in (b"RCPT", b"DATA") and self.mood != "fine" and self._random.random() < 0.7
                if spoilt and command == b"RCPT" and self.mood in _REPLIES:
                    self.spoilt += 1
                    to_client.write(_REPLIES[self.mood])
                    await to_client.drain()
                    if self.mood == "421":
                        return
                    continue
                to_server.write(line)
                await self._reply(server, to_client)
                if command == b"DATA" and not await self._content(client, server, to_server, to_client, spoilt=spoilt):
                    return
        finally:
            to_server.close()

    async def _content(
        self,
        client: asyncio.StreamReader,
        server: asyncio.StreamReader,
        to_server: asyncio.StreamWriter,
        to_client: asyncio.StreamWriter,
        *,
        spoilt: bool,
    ) -> bool:
        """Whether the connection goes on."""
        while line := await client.readline():
            if spoilt and self.mood == "closes_during_content":
                self.spoilt += 1
                return False
            to_server.write(line)
            if line == b".\r\n":
                break
        await to_server.drain()
        if spoilt and self.mood == "closes_before_reply":
            self.spoilt += 1
            await server.readline()
            return False
        await self._reply(server, to_client)
        return True

    async def _reply(self, server: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        """Forwards one reply, of several lines maybe."""
        if self.mood == "slow":
            self.spoilt += 1
            await asyncio.sleep(self._random.uniform(0.5, 4))
        while line := await server.readline():
            to_client.write(line)
            if line[3:4] != b"-":
                break
        with contextlib.suppress(ConnectionError):
            await to_client.drain()
