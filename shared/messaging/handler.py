"""What a service does with a batch of messages: of one topic, or of all topics it has this handler for."""

from collections.abc import Sequence
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from shared.contracts.cloudevents import Message


class Handler(Protocol):
    """Writes the changes, and the resulting events (``Outbox.put``), on the given connection.

    Must not assume that a message is new, that messages arrive in order, or that it runs only once: the transaction
    may be rolled back and retried with fewer messages. Must not commit, must not wait for anything but the database,
    and must not keep state between calls that a rollback would invalidate. If an exception is caused by the data
    (``is_fault_of_data``), the loop finds the offending message and makes it a dead letter; any other exception is
    retried.
    """

    async def __call__(self, connection: AsyncConnection, messages: Sequence[Message], /) -> None: ...
