"""Waiting until the loop is idle: everything consumed, everything published, nothing due.

Only an idle loop can be compared: an answer in flight is correctly in one ledger and not yet in the next.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from zoneinfo import ZoneInfo

from shared.contracts.topics import CONSUMED_BY
from tools.audit.from_database import SCHEMAS, Connection
from tools.audit.records import Offsets

POLL_SECONDS = 0.2
CONSECUTIVE_IDLE_CHECKS = 3
"""Consecutive checks that must find no work: what one service commits, the next one consumes a moment later."""


async def work_in_progress(connection: Connection, ends: Offsets, now: datetime, zone: ZoneInfo) -> dict[str, int]:
    """Counts of unfinished work by its name; empty when the loop is idle."""
    pending = await backlog(connection, ends)
    pending["timers due"] = await connection.fetchval("SELECT count(*) FROM dispatcher.timers WHERE due_at <= $1", now)
    pending["emails being sent"] = await connection.fetchval(
        """
        SELECT count(*) FROM dispatcher.deliveries
        WHERE state = 'transmitting' OR (state = 'queued' AND available_at <= now())
        """
    )
    pending["scores not yet published"] = await connection.fetchval(
        """
        SELECT (SELECT count(transaction) FROM scorer.day_changes)
             + (SELECT count(*) FROM scorer.window_sums WHERE waiting_since IS NOT NULL)
             + (SELECT count(*) FROM scorer.publisher WHERE last_day < $1 OR walked_to IS NOT NULL)
        """,
        now.astimezone(zone).date(),
    )
    return {name: count for name, count in pending.items() if count}


async def backlog(connection: Connection, ends: Offsets) -> dict[str, int]:
    """Counts of events written by one service and not yet handled by another, by name."""
    pending: dict[str, int] = {}
    positions: dict[tuple[str, str, int], int] = {}
    for schema in SCHEMAS:
        pending[f"events not yet published by the {schema}"] = await connection.fetchval(
            f"SELECT (SELECT count(*) FROM {schema}.outbox) + (SELECT count(*) FROM {schema}.outbox_set_aside)"  # noqa: S608  # our own schemas
        )
        rows = await connection.fetch(
            f"SELECT consumer, topic, partition, next_offset FROM {schema}.consumer_positions"  # noqa: S608  # likewise
        )
        for row in rows:
            positions[row["consumer"], row["topic"], row["partition"]] = row["next_offset"]
    for consumer, topics in CONSUMED_BY.items():
        consumed = {topic.name for topic in topics}
        lag = sum(
            max(0, end - positions.get((consumer, topic, partition), 0))
            for (topic, partition), end in ends.items()
            if topic in consumed
        )
        pending[f"records not yet handled by the {consumer}"] = lag
    return {name: count for name, count in pending.items() if count}


async def wait_until_idle(
    connection: Connection, ends: Callable[[], Awaitable[Offsets]], now: datetime, zone: ZoneInfo, within: float
) -> dict[str, int]:
    """Returns when the loop is idle, or after ``within`` seconds, with the unfinished work."""
    deadline = asyncio.get_running_loop().time() + within
    idle_checks = 0
    previous: Offsets = {}
    while True:
        current = await ends()
        pending = await work_in_progress(connection, current, now, zone)
        idle_checks = idle_checks + 1 if not pending and current == previous else 0
        previous = current
        if idle_checks >= CONSECUTIVE_IDLE_CHECKS or asyncio.get_running_loop().time() > deadline:
            return pending
        await asyncio.sleep(POLL_SECONDS)
