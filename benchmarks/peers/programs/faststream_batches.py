"""FastStream on confluent-kafka: a batch subscriber, acknowledged after it has returned: at least once.

It keeps no state and says nothing of where to keep it; the program has a SQLite file with the last revision of each
answer and the counts, changed in one transaction for a batch. A batch that comes again changes nothing, so the file is
what makes it exact. As its documentation advises for speed, without validation of arguments; it decodes with orjson
once that is installed.
"""

import asyncio
import sqlite3
from typing import Any

import orjson
from faststream import AckPolicy, FastStream
from faststream.confluent import KafkaBroker

from benchmarks.peers.programs.counting import NAME, SERVERS, STATE, TOPIC, answer_of, changes

SCHEMA = """
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = NORMAL;
    CREATE TABLE IF NOT EXISTS answers (id TEXT PRIMARY KEY, answer BLOB NOT NULL) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS counts (
        key TEXT PRIMARY KEY, promoters INTEGER NOT NULL, passives INTEGER NOT NULL, detractors INTEGER NOT NULL
    ) WITHOUT ROWID;
"""
STORE_ANSWER = "INSERT INTO answers VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET answer = excluded.answer"
ADD = """
    INSERT INTO counts VALUES (?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET
        promoters = promoters + excluded.promoters,
        passives = passives + excluded.passives,
        detractors = detractors + excluded.detractors
"""

database = sqlite3.connect(STATE / "counts.sqlite", isolation_level=None)
database.executescript(SCHEMA)
broker = KafkaBroker(SERVERS, apply_types=False, logger=None)


@broker.subscriber(
    TOPIC,
    group_id=NAME,
    batch=True,
    max_records=5_000,
    auto_offset_reset="earliest",
    ack_policy=AckPolicy.NACK_ON_ERROR,
    max_partition_fetch_bytes=2_097_152,
    fetch_max_wait_ms=50,
)
async def count(bodies: list[dict[str, Any]]) -> None:
    known: dict[str, Any] = {}
    added: dict[str, list[int]] = {}
    database.execute("BEGIN IMMEDIATE")
    for body in bodies:
        key, answer = body["answer_id"], answer_of(body)
        before = known.get(key)
        if before is None and (row := database.execute("SELECT answer FROM answers WHERE id = ?", (key,)).fetchone()):
            before = orjson.loads(row[0])
        changed = changes(before, answer)
        known[key] = answer if changed else before
        for count_key, change in changed.items():
            sums = added.setdefault(count_key, [0, 0, 0])
            for group in range(3):
                sums[group] += change[group]
    database.executemany(STORE_ANSWER, [(key, orjson.dumps(answer)) for key, answer in known.items()])
    database.executemany(ADD, [(key, *sums) for key, sums in added.items()])
    database.execute("COMMIT")


if __name__ == "__main__":
    asyncio.run(FastStream(broker, logger=None).run())
