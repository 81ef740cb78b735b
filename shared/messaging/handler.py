"""What a service does with a batch of one topic's messages."""

from collections.abc import Sequence
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from shared.contracts.cloudevents import Message


class Handler(Protocol):
    """Writes what the messages change, and the events that follow (``Outbox.put``), on the connection given.

    May not assume that a message is new, that messages come in order, or that it runs once: the transaction may be
    rolled back and tried again, with fewer messages. Must not commit, keep state between calls that a rollback would
    falsify, or wait for anything but the database. An exception that the data causes (``is_fault_of_data``) makes the
    loop look for the message at fault and put it aside; any other is retried.
    """

    async def __call__(self, connection: AsyncConnection, messages: Sequence[Message], /) -> None: ...
