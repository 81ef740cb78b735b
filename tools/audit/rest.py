"""Waiting until the loop is at rest: everything taken in, everything published, nothing due.

Only a loop at rest can be compared: on its way an answer is rightly in one ledger and not yet in the next.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from zoneinfo import ZoneInfo

from shared.contracts.topics import CONSUMED_BY
from tools.audit.from_database import SCHEMAS, Connection
from tools.audit.topics import Offsets

PAUSE_SECONDS = 0.2
STILL_FOR = 3
"""How many looks in a row must find nothing under way: what one service commits, the next takes in a moment later."""


async def under_way(connection: Connection, ends: Offsets, now: datetime, zone: ZoneInfo) -> dict[str, int]:
    """What has not come to its end yet, by what it is; empty when the loop is at rest."""
    moving = await between_services(connection, ends)
    moving["timers due"] = await connection.fetchval("SELECT count(*) FROM dispatcher.timers WHERE due_at <= $1", now)
    moving["mails on their way"] = await connection.fetchval(
        """
        SELECT count(*) FROM dispatcher.deliveries
        WHERE state = 'transmitting' OR (state = 'queued' AND available_at <= now())
        """
    )
    moving["scores to publish"] = await connection.fetchval(
        """
        SELECT (SELECT count(*) FROM scorer.day_counts WHERE changed)
             + (SELECT count(*) FROM scorer.publication WHERE last_day < $1)
        """,
        now.astimezone(zone).date(),
    )
    return {name: count for name, count in moving.items() if count}


async def between_services(connection: Connection, ends: Offsets) -> dict[str, int]:
    """What one service has said and another has not heard yet, by what it is."""
    moving: dict[str, int] = {}
    positions: dict[tuple[str, str, int], int] = {}
    for schema in SCHEMAS:
        moving[f"events {schema} has not published"] = await connection.fetchval(
            f"SELECT count(*) FROM {schema}.outbox"  # noqa: S608 - our own schemas
        )
        rows = await connection.fetch(
            f"SELECT consumer, topic, partition, next_offset FROM {schema}.consumer_positions"  # noqa: S608 - the same
        )
        for row in rows:
            positions[row["consumer"], row["topic"], row["partition"]] = row["next_offset"]
    for consumer, topics in CONSUMED_BY.items():
        wanted = {topic.name for topic in topics}
        behind = sum(
            max(0, end - positions.get((consumer, topic, partition), 0))
            for (topic, partition), end in ends.items()
            if topic in wanted
        )
        moving[f"records {consumer} has not taken in"] = behind
    return {name: count for name, count in moving.items() if count}


async def rest(
    connection: Connection, ends: Callable[[], Awaitable[Offsets]], now: datetime, zone: ZoneInfo, within: float
) -> dict[str, int]:
    """Returns when the loop is at rest, or after ``within`` seconds with what still moves."""
    deadline = asyncio.get_running_loop().time() + within
    still = 0
    seen: Offsets = {}
    while True:
        found = await ends()
        moving = await under_way(connection, found, now, zone)
        still = still + 1 if not moving and found == seen else 0
        seen = found
        if still >= STILL_FOR or asyncio.get_running_loop().time() > deadline:
            return moving
        await asyncio.sleep(PAUSE_SECONDS)
