"""Accepted emails in SQLite. Only the newest are kept; receipts of accepted emails are kept longer."""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from deploy.local.mailbox.message import envelope_of

T = TypeVar("T")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS messages (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    message_id  TEXT NOT NULL,
    sender      TEXT NOT NULL,
    recipient   TEXT NOT NULL,
    subject     TEXT NOT NULL,
    received_at TEXT NOT NULL,
    raw         BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS messages_by_recipient ON messages (recipient, id);
CREATE TABLE IF NOT EXISTS receipts (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    message_id TEXT NOT NULL UNIQUE
);
"""
_SELECT = "SELECT id, message_id, sender, recipient, subject, received_at, raw FROM messages"
RECEIPTS_PER_MESSAGE = 50
"""How many more receipts than emails are kept; a receipt is one short row."""


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """`received_at` is RFC 3339 in UTC; `raw` is the email as received over SMTP."""

    id: int
    message_id: str
    sender: str
    recipient: str
    subject: str
    received_at: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class _Incoming:
    recipients: tuple[str, ...]
    raw: bytes
    received_at: datetime
    stored: "asyncio.Future[None]"


class MessageStore:
    """Keeps the newest `keep` emails. All SQLite calls run in one thread, off the event loop."""

    def __init__(self, file: Path, keep: int = 20_000) -> None:
        self._file = file
        self._keep = keep
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="mailbox-store")
        self._incoming: asyncio.Queue[_Incoming] = asyncio.Queue(maxsize=1000)
        self._writer: asyncio.Task[None] | None = None
        self._connection: sqlite3.Connection

    async def open(self) -> None:
        await self._run(self._open)
        self._writer = asyncio.create_task(self._write_forever())

    async def close(self) -> None:
        if self._writer is not None:
            self._writer.cancel()
            await asyncio.gather(self._writer, return_exceptions=True)
        await self._run(lambda: self._connection.close())
        self._thread.shutdown()

    async def add(self, raw: bytes, recipients: tuple[str, ...], received_at: datetime) -> None:
        """Returns once the email is on disk, with a row per recipient. Raises what kept it from being stored, such as
        sqlite3.Error."""
        stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        await self._incoming.put(_Incoming(recipients, raw, received_at, stored))
        await stored

    def obstacle(self) -> str | None:
        """Why no email is stored any more; None when they are."""
        if self._writer is None or not self._writer.done():
            return None
        return "the task that stores emails has ended; restart the mailbox"

    async def accepted(self, message_id: str) -> bool:
        """Whether an email with this Message-ID (with or without its angle brackets) was ever accepted."""
        bare = message_id.strip().strip("<>")
        return bool(await self._rows("SELECT 1 FROM receipts WHERE message_id = ?", bare))

    async def after(self, last_id: int, *, limit: int, recipient: str | None = None) -> list[StoredMessage]:
        """Emails with an id above `last_id`, oldest first."""
        return await self._messages("id > ?", "id", last_id, limit, recipient)

    async def before(self, first_id: int | None, *, limit: int, recipient: str | None = None) -> list[StoredMessage]:
        """Emails with an id below `first_id` (None: all), newest first."""
        return await self._messages("id < ?", "id DESC", first_id or 2**62, limit, recipient)

    async def get(self, number: int) -> StoredMessage | None:
        rows = await self._messages("id = ?", "id", number, 1, None)
        return rows[0] if rows else None

    async def count(self) -> int:
        rows = await self._rows("SELECT count(*) FROM messages")
        return int(rows[0][0])

    async def _messages(
        self, condition: str, order: str, number: int, limit: int, recipient: str | None
    ) -> list[StoredMessage]:
        parameters: list[object] = [number]
        if recipient:
            condition += " AND recipient = ?"
            parameters.append(recipient.lower())
        rows = await self._rows(
            f"{_SELECT} WHERE {condition} ORDER BY {order} LIMIT ?",
            *parameters,
            limit,
        )
        return [StoredMessage(*row) for row in rows]

    async def _rows(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        return await self._run(lambda: self._connection.execute(sql, parameters).fetchall())

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _open(self) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(self._file, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode = WAL")
        # FULL: an email is on disk before SMTP responds 250.
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.executescript(_SCHEMA)

    async def _write_forever(self) -> None:
        """Stores all emails that are waiting with a single sync to disk; one that cannot be stored fails alone."""
        while True:
            batch = [await self._incoming.get()]
            while not self._incoming.empty() and len(batch) < 500:
                batch.append(self._incoming.get_nowait())
            if not await self._tried(batch) and len(batch) > 1:
                for mail in batch:
                    await self._tried([mail])

    async def _tried(self, batch: list[_Incoming]) -> bool:
        """Whether the batch was stored. Whoever waits for a single email is told why it was not."""
        try:
            await self._run(partial(self._store, batch))
        except Exception as error:
            if len(batch) == 1 and not batch[0].stored.done():
                batch[0].stored.set_exception(error)
            return False
        for mail in batch:
            if not mail.stored.done():
                mail.stored.set_result(None)
        return True

    def _store(self, batch: list[_Incoming]) -> None:
        with self._connection:
            for mail in batch:
                envelope = envelope_of(mail.raw)
                self._connection.executemany(
                    "INSERT INTO messages (message_id, sender, recipient, subject, received_at, raw) "
                    "VALUES (?, ?, ?, ?, ?, ?)",
                    [
                        (
                            envelope.message_id,
                            envelope.sender,
                            recipient.lower(),
                            envelope.subject,
                            mail.received_at.isoformat(),
                            mail.raw,
                        )
                        for recipient in mail.recipients
                    ],
                )
                if envelope.message_id:
                    self._connection.execute(
                        "INSERT OR IGNORE INTO receipts (message_id) VALUES (?)", (envelope.message_id,)
                    )
            self._connection.execute(
                "DELETE FROM messages WHERE id <= (SELECT max(id) FROM messages) - ?", (self._keep,)
            )
            self._connection.execute(
                "DELETE FROM receipts WHERE id <= (SELECT max(id) FROM receipts) - ?",
                (self._keep * RECEIPTS_PER_MESSAGE,),
            )
