"""What a service does with a batch of messages: of one topic, or of all topics it has this handler for."""

from collections.abc import Sequence
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from shared.contracts.cloudevents import Message


class Rejected(Exception):
    """Raised by a handler that has found messages which must become dead letters, each with its reason.

    The batch is handled again without them. A reason names fields and rules, never a value.
    """

    def __init__(self, messages: Sequence[tuple[Message, str]]) -> None:
        super().__init__(f"{len(messages)} messages are rejected")
        self.messages = messages


class Handler(Protocol):
    """Writes the changes, and the resulting events (``Outbox.put``), on the given connection.

    Must not assume that a message is new, that messages arrive in order, or that it runs only once: the transaction
    may be rolled back and retried with fewer messages. Must not commit, must not wait for anything but the database,
    and must not keep state between calls that a rollback would invalidate. If an exception is caused by the data
    (``is_fault_of_data``), the loop finds the offending message and makes it a dead letter; a handler that knows which
    ones they are raises ``Rejected``. Any other exception is retried.
    """

    async def __call__(self, connection: AsyncConnection, messages: Sequence[Message], /) -> None: ...
