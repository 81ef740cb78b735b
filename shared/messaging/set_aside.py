"""Events that cannot be published are set aside, so that the others can be, and tried again until they can.

What follows such an event, of its topic and key, waits behind it. If the fault is the topic's (it is missing, say),
all its events wait behind one. Where a record replaces those before it, a later one does so here, too.
"""

import time

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from shared import metrics
from shared.backoff import pause_after
from shared.contracts.topics import is_compacted
from shared.messaging.fenced_producer import FencedProducer
from shared.messaging.publisher import Publisher, Refused
from shared.messaging.records import Record
from shared.messaging.repository import set_aside as repository
from shared.messaging.repository.outbox import Unpublished
from shared.messaging.repository.set_aside import SetAside

log = structlog.get_logger()

_LOOK_EVERY_SECONDS = 1.0
_AT_ONCE = 20
_SECONDS_AT_ONCE = 5.0
_RELEASED_AT_ONCE = 5_000
_FIRST_PAUSE_SECONDS = 1.0
# A topic is one thing to try for all its events, and asking for it is cheap.
_LONGEST_PAUSE_SECONDS = {True: 10.0, False: 3_600.0}
TRIES = 5
"""After so many, about half a minute, an operator is told, and a later event may replace this one."""


class SetAsideEvents:
    """Used by the relay that has the turn, on the session that holds it."""

    def __init__(self) -> None:
        self._look_at = 0.0

    async def add(self, connection: AsyncConnection, event: Unpublished, refused: Refused) -> None:
        """Sets an event of the outbox aside."""
        await repository.put(
            connection,
            event.outbox_id,
            reason=refused.reason,
            whole_topic=refused.whole_topic,
            pause_seconds=_FIRST_PAUSE_SECONDS,
        )
        log.warning("an event cannot be published, it is set aside", **_about(event.outbox_id, event.record, refused))
        self._look_at = 0.0

    async def broker_answers(self, connection: AsyncConnection) -> None:
        """To be called when the broker was asked anew, such as after its restart: topics may be there again."""
        await repository.hasten_topics(connection)
        self._look_at = 0.0

    async def try_again(self, connection: AsyncConnection, producer: FencedProducer, publisher: Publisher) -> bool:
        """Once a second: tries those that are due, and lets go of what waits for nothing any more. Whether any are back
        in the outbox, under their old numbers.

        Raises what ``publish_alone`` and the database raise.
        """
        if time.monotonic() < self._look_at:
            return False
        self._look_at = time.monotonic() + _LOOK_EVERY_SECONDS
        count = await repository.count(connection)
        metrics.outbox_set_aside.set(count)
        if not count:
            return False
        until = time.monotonic() + _SECONDS_AT_ONCE
        for event in await repository.due(connection, _AT_ONCE):
            if time.monotonic() > until:
                break  # the others are due in the next round
            refused = await publisher.publish_alone(producer, event.record)
            if refused is None:
                await repository.remove(connection, event.outbox_id)
                await repository.hasten(connection, reason=event.reason)
                log.info("an event that was set aside is published", outbox_id=event.outbox_id, tries=event.tries + 1)
            else:
                await self._failed(connection, event, refused)
            if not producer.usable:
                return False
        if await repository.release(connection, _RELEASED_AT_ONCE):
            self._look_at = 0.0
            return True
        return False

    async def _failed(self, connection: AsyncConnection, event: SetAside, refused: Refused) -> None:
        tries = event.tries + 1
        about = _about(event.outbox_id, event.record, refused)
        replaceable = tries >= TRIES and not refused.whole_topic and is_compacted(event.record.topic)
        if replaceable and await repository.remove_if_replaced(connection, event.outbox_id):
            log.warning("an event that cannot be published was replaced by a later one of its key", **about)
            return
        longest = _LONGEST_PAUSE_SECONDS[refused.whole_topic]
        await repository.failed(
            connection,
            event.outbox_id,
            reason=refused.reason,
            whole_topic=refused.whole_topic,
            pause_seconds=pause_after(tries, first=_FIRST_PAUSE_SECONDS, longest=longest),
        )
        if tries == TRIES:
            log.error(
                "an event still cannot be published; `hearback outbox list` shows all, and what can be done", **about
            )


def _about(outbox_id: int, record: Record, refused: Refused) -> dict[str, object]:
    """For the log; no personal data."""
    event_id = next((value for name, value in record.headers if name == "ce_id" and value is not None), b"")
    return {
        "outbox_id": outbox_id,
        "topic": record.topic,
        "ce_id": event_id.decode("utf-8", "replace")[:100],
        "bytes": record.size,
        "reason": refused.reason,
        "whole_topic": refused.whole_topic,
    }
