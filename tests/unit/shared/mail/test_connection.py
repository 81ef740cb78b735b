"""What a server says is read reply by reply, and nothing is taken for the reply to something else."""

import asyncio
from collections.abc import Sequence
from typing import Any, cast

import pytest

from shared.mail.connection import Connection, NoReply, Reply, in_transit


class Wire:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.written = b""
        self.closed = False

    def write(self, data: bytes) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self.closed

    def abort(self) -> None:
        self.closed = True


def connection() -> tuple[Connection, Wire]:
    wire: Any = Wire()
    return Connection(cast("asyncio.Transport", wire), pipelining=True, knows_size=True), wire


async def replies(client: Connection, count: int) -> Sequence[Reply]:
    return [await client.reply() for _ in range(count)]


async def test_replies_come_in_order_however_they_are_cut() -> None:
    said = b"250-first\r\n250 still first\r\n550 5.1.1 no\r\n354 go on\r\n"
    for cut in range(1, len(said)):
        client, wire = connection()
        client.say([b"MAIL", b"RCPT", b"DATA"])
        assert wire.written == b"MAIL\r\nRCPT\r\nDATA\r\n"
        client.data_received(said[:cut])
        client.data_received(said[cut:])
        assert await replies(client, 3) == [(250, "first\nstill first"), (550, "5.1.1 no"), (354, "go on")]
        assert client.is_clean


@pytest.mark.parametrize(
    "garbage", [b"once upon a time\r\n", b"\r\n", b"25x what\r\n", b"250-" + b"x" * 9_000 + b"\r\n"]
)
async def test_behind_what_is_no_reply_nothing_is_one(garbage: bytes) -> None:
    client, _ = connection()
    client.say([b"MAIL", b"RCPT", b"DATA"])
    client.data_received(b"250 ok\r\n" + garbage + b"250 ok\r\n354 go on\r\n")
    assert await client.reply() == (250, "ok")
    with pytest.raises(NoReply):
        await client.reply()
    assert not client.is_clean


async def test_endless_lines_and_endless_replies_are_not_kept() -> None:
    for endless in (b"250-" + b"x" * 50_000, b"250-more\r\n" * 10_000):
        client, _ = connection()
        client.say([b"MAIL"])
        client.data_received(endless)
        with pytest.raises(NoReply):
            await client.reply()


async def test_what_nobody_asked_for_ends_the_connection() -> None:
    client, _ = connection()
    client.say([b"MAIL"])
    client.data_received(b"250 ok\r\n421 goodbye\r\n")
    assert await client.reply() == (250, "ok")
    assert not client.is_clean
    with pytest.raises(NoReply):
        client.say([b"RSET"])


async def test_who_waits_is_told_that_the_connection_is_lost() -> None:
    client, _ = connection()
    waiting = asyncio.create_task(client.command(b"MAIL"))
    await asyncio.sleep(0)
    client.connection_lost(None)
    with pytest.raises(NoReply):
        await waiting


@pytest.mark.parametrize("command", [b"RCPT TO:<a@b>\r\nDATA", b"MAIL\x00", b"RSET\n"])
def test_a_command_is_one_line(command: bytes) -> None:
    client, wire = connection()
    with pytest.raises(ValueError, match="one line"):
        client.say([command])
    assert wire.written == b""


@pytest.mark.parametrize(
    ("content", "sent"),
    [
        (b"a\r\n", b"a\r\n.\r\n"),
        (b"a", b"a\r\n.\r\n"),
        (b".\r\n..b\r\nc.\r\n", b"..\r\n...b\r\nc.\r\n.\r\n"),
        (b"a\n.\nMAIL FROM:<x>\n", b"a\r\n..\r\nMAIL FROM:<x>\r\n.\r\n"),
        (b"a\r.\rb\r\n", b"a\r\n..\r\nb\r\n.\r\n"),
        (b"", b"\r\n.\r\n"),
    ],
)
def test_no_line_of_a_content_ends_it(content: bytes, sent: bytes) -> None:
    assert in_transit(content) == sent
