"""The outbox: events to publish, written in the same transaction as the state they announce."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from shared.contracts import cloudevents
from shared.contracts.events import Event
from shared.messaging.records import Record
from shared.messaging.repository import outbox as repository


class Outbox:
    """``source`` names us in ``ce_source``, such as ``/hearback/scorer``."""

    def __init__(self, source: str) -> None:
        self.source = source

    async def put(self, connection: AsyncConnection, events: Sequence[Event]) -> None:
        """Adds the events to the transaction; the relay publishes them in this order once it has committed."""
        await repository.put(connection, [self.record(event) for event in events])

    def record(self, event: Event) -> Record:
        """What is published of the event."""
        headers, value = cloudevents.write(event, self.source)
        return Record(topic=event.topic, key=event.key.encode(), value=value, headers=headers)

    async def remove(self, connection: AsyncConnection, topic: str, keys: Sequence[str]) -> None:
        """Adds that nothing is to remain of these keys of a compacted topic: a record without a value each."""
        records = [Record(topic=topic, key=key.encode(), value=None, headers=()) for key in keys]
        await repository.put(connection, records)
