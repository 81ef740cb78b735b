"""Dead letters as PostgreSQL has them: which there are, and what became of each."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.messaging.repository.stops import standing_partitions
from tools.hearback.database import Database

STATES = ("set_aside", "put_back", "skipped")
_ID = re.compile(r"(?P<service>[a-z]+)/(?P<topic>[A-Za-z0-9._-]+)/(?P<partition>\d+)/(?P<offset>\d+)")


class NoSuchLetter(ValueError):
    """The message names what was asked for, and how to find what there is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A row of ``dead_letters``. ``service`` set it aside; ``topic`` is the catalogue's name, ``event_id`` the record's
    ``ce_id`` if it could be read. It stands for ``records`` records from ``offset`` on."""

    service: str
    topic: str
    partition: int
    offset: int
    reason: str
    recorded_at: datetime
    event_id: str | None
    records: int
    state: str

    @property
    def letter_id(self) -> str:
        return f"{self.service}/{self.topic}/{self.partition}/{self.offset}"

    @property
    def place(self) -> tuple[str, int, int]:
        """Topic, partition and offset of the record."""
        return self.topic, self.partition, self.offset


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which letters; None and empty stand for all."""

    service: str | None = None
    topic: str | None = None
    state: str | None = "set_aside"
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingPartition:
    """A partition whose consumer waits at a record, and why."""

    service: str
    topic: str
    partition: int
    offset: int
    explanation: str
    stopped_at: datetime


class LetterTable:
    """Every service's table of dead letters, whichever schema it is in."""

    def __init__(self, database: Database) -> None:
        self._connection = database.connection
        self._schemas = database.schemas

    async def find(self, wanted: Filter, *, limit: int) -> list[Letter]:
        """The oldest first, at most ``limit``."""
        if not self._schemas:
            return []
        rows = await self._connection.fetch(
            f"""
            SELECT * FROM ({self._everywhere()}) AS letters
            WHERE ($1::text IS NULL OR consumer = $1) AND ($2::text IS NULL OR topic = $2)
              AND ($3::text IS NULL OR state = $3) AND position(lower($4) IN lower(reason)) > 0
            ORDER BY recorded_at, topic, partition, record_offset, consumer
            LIMIT $5
            """,  # noqa: S608  # composed of schema names of the database itself
            wanted.service,
            wanted.topic,
            wanted.state,
            wanted.reason,
            limit,
        )
        return [_letter(row) for row in rows]

    async def named(self, letter_ids: Iterable[str]) -> list[Letter]:
        """The letters with these ids, in order. Raises NoSuchLetter."""
        return [await self._named(letter_id) for letter_id in letter_ids]

    async def _named(self, letter_id: str) -> Letter:
        match = _ID.fullmatch(letter_id.strip())
        if match is None:
            raise NoSuchLetter(f"{letter_id!r} is not a dead letter's id, such as dispatcher/orders/0/1234")
        row = None
        if self._schemas:
            row = await self._connection.fetchrow(
                f"""
                SELECT * FROM ({self._everywhere()}) AS letters
                WHERE consumer = $1 AND topic = $2 AND partition = $3 AND record_offset = $4
                """,  # noqa: S608  # composed of schema names of the database itself
                match["service"],
                match["topic"],
                int(match["partition"]),
                int(match["offset"]),
            )
        if row is None:
            raise NoSuchLetter(f"there is no dead letter {letter_id}; `hearback letters list` shows them")
        return _letter(row)

    async def mark(self, places: Iterable[tuple[str, int, int]], state: str) -> int:
        """Says what became of the records, by topic, partition and offset, in every service that set them aside."""
        topics, partitions, offsets = zip(*places, strict=True)
        changed = 0
        for schema in self._schemas:
            done = await self._connection.execute(
                f"""
                UPDATE {schema}.dead_letters AS letter SET state = $4, changed_at = now()
                FROM unnest($1::text[], $2::integer[], $3::bigint[]) AS given (topic, partition, record_offset)
                WHERE letter.topic = given.topic AND letter.partition = given.partition
                  AND letter.record_offset = given.record_offset
                """,  # noqa: S608  # composed of schema names of the database itself
                list(topics),
                list(partitions),
                list(offsets),
                state,
            )
            changed += int(done.split()[-1])
        return changed

    async def allow(self, service: str, topic: str, records: int) -> None:
        """Lets the service set aside so many more of the topic's records within the next hour."""
        for schema in self._schemas:
            known = await self._connection.fetchval(
                f"SELECT count(*) FROM {schema}.consumer_positions WHERE consumer = $1 AND topic = $2",  # noqa: S608  # as above
                service,
                topic,
            )
            if known:
                await self._connection.execute(
                    f"""
                    INSERT INTO {schema}.dead_letter_grants (consumer, topic, records) VALUES ($1, $2, $3)
                    ON CONFLICT (consumer, topic) DO UPDATE SET granted_at = now(), records = excluded.records
                    """,  # noqa: S608  # as above
                    service,
                    topic,
                    records,
                )
                return
        raise NoSuchLetter(f"no service {service!r} reads the topic {topic!r}")

    async def standing(self) -> list[StandingPartition]:
        """The partitions that stand still now."""
        found = []
        for schema in self._schemas:
            rows = await self._connection.fetch(f"{standing_partitions(schema)} ORDER BY topic, partition")
            found += [
                StandingPartition(
                    service=row["consumer"],
                    topic=row["topic"],
                    partition=row["partition"],
                    offset=row["record_offset"],
                    explanation=row["explanation"],
                    stopped_at=row["stopped_at"],
                )
                for row in rows
            ]
        return found

    def _everywhere(self) -> str:
        return " UNION ALL ".join(
            f"SELECT * FROM {schema}.dead_letters"  # noqa: S608  # as above
            for schema in self._schemas
        )


def _letter(row: Any) -> Letter:
    return Letter(
        service=row["consumer"],
        topic=row["topic"],
        partition=row["partition"],
        offset=row["record_offset"],
        reason=row["reason"],
        recorded_at=row["recorded_at"],
        event_id=row["event_id"],
        records=row["records"],
        state=row["state"],
    )
