"""What a consumer does about partitions and topics that stand still by themselves (``stops.py``); the others go on."""

from collections.abc import Collection, Sequence

import structlog
from aiokafka import TopicPartition
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.health import Health
from shared.messaging.member import Member
from shared.messaging.repository import dead_letters, stops
from shared.messaging.repository.positions import Positions
from shared.messaging.standing import Standing
from shared.messaging.stops import Stop
from shared.persistence.transaction import autocommit, transaction
from shared.settings import ServiceSettings

log = structlog.get_logger()


class Standstill:
    """Keeps what stands still in memory, in PostgreSQL for all replicas and operators, and in readiness.

    Partitions are named as in PostgreSQL.
    """

    def __init__(
        self, member: Member, loop_name: str, *, engine: AsyncEngine, settings: ServiceSettings, health: Health
    ) -> None:
        self._member = member
        self._engine = engine
        self._settings = settings
        self._standing = Standing(loop_name, health, settings.retry_limit_seconds)

    def waiting(self) -> set[TopicPartition]:
        return self._standing.waiting()

    def tries(self, partition: TopicPartition, offset: int) -> int:
        """How often the partition was stopped at this offset."""
        return self._standing.tries(partition, offset)

    def keep_only(self, assigned: Collection[TopicPartition]) -> None:
        """Forgets the partitions that others own now."""
        self._standing.keep_only(assigned)

    async def recall(self, assigned: Collection[TopicPartition]) -> None:
        """Takes over what another process, or this one before a restart, has told of the partitions assigned here."""
        async with self._engine.connect() as connection:
            found = await stops.standing(connection, self._member.name)
        self._standing.recall(found, assigned)

    async def hold(self, found: Sequence[Stop]) -> None:
        """Lets the partitions that the stops concern wait; the caller pauses them."""
        if not found:
            return
        held = self._standing.hold(found, self._member.names_of(self._member.positions))
        async with transaction(self._engine) as connection:
            await stops.write(connection, self._member.name, held)
        for stop in found:
            log.error(
                "a topic stands still" if stop.whole_topic else "a partition stands still",
                topic=stop.topic,
                partition=stop.partition,
                offset=stop.offset,
                cause=stop.cause,
                reason=stop.explanation,
            )

    async def try_again(self) -> bool:
        """Lets those go on whose time has come: there is room for their dead letters again, or it might work now.

        False if one of them was revoked meanwhile: the positions are then to be looked at.
        """
        for stop in self._standing.due():
            partition = TopicPartition(self._settings.topic(stop.topic), stop.partition)
            name = self._member.name_of(partition)
            if stop.cause == "dead_letter_limit" and not await self._has_room(stop.topic):
                self._standing.postpone(name)
                continue
            self._standing.try_again(name)
            if not self._member.resume(partition):
                return False
        return True

    async def note_passed(self, following: Positions) -> None:
        """Tells of those that go on: a batch that leads to these positions was committed."""
        await self._tell_going_on(self._standing.passed(following))

    async def note_empty(self) -> None:
        """A topic waits as a whole when none of its records can be handled: a partition that is tried again and has no
        record to stand still at goes on, though nothing is passed in it."""
        tried = self._standing.tried_again()
        if tried:
            empty = [
                name
                for partition in self._member.positions
                if (name := self._member.name_of(partition)) in tried and self._member.at_end(partition)
            ]
            await self._tell_going_on(self._standing.forget(empty))

    async def _has_room(self, topic: str) -> bool:
        limit = self._settings.dead_letter_limit
        async with autocommit(self._engine) as connection:
            return await dead_letters.room(connection, self._member.name, topic=topic, limit=limit) > 0

    async def _tell_going_on(self, passed: Sequence[TopicPartition]) -> None:
        if passed:
            log.info("a topic goes on", partitions=[f"{topic} {number}" for topic, number in passed])
            async with transaction(self._engine) as connection:
                await stops.remove(connection, self._member.name, passed)
