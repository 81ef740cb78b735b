"""Faust: an answer's last revision in one table, its changes grouped by segment and day, summed in another.

Its tables are kept in RocksDB and, as its documentation has it, durable by their compacted changelog topics, that of
the counts being what the benchmark reads. It is run with each of its two guarantees, ``PEER_GUARANTEE``. Large
buffers, a commit a second, no web server; it encodes and decodes with orjson once that is installed.
"""

import os

import faust

from benchmarks.peers.programs.counting import (
    NAME,
    PARTITIONS,
    SERVERS,
    SESSION_MILLISECONDS,
    STATE,
    TOPIC,
    Answer,
    answer_in,
    changes,
)

app = faust.App(
    NAME,
    broker=f"kafka://{SERVERS}",
    store="rocksdb://",
    datadir=STATE / "faust",
    processing_guarantee=os.environ["PEER_GUARANTEE"],
    topic_partitions=PARTITIONS,
    topic_replication_factor=1,
    consumer_auto_offset_reset="earliest",
    broker_session_timeout=SESSION_MILLISECONDS / 1_000,
    broker_heartbeat_interval=SESSION_MILLISECONDS / 4_000,
    broker_commit_every=20_000,
    broker_commit_interval=1.0,
    stream_buffer_maxsize=16_384,
    stream_wait_empty=False,
    producer_linger=0.05,
    producer_compression_type="lz4",
    producer_max_batch_size=262_144,
    web_enabled=False,
)
answers = app.topic(TOPIC, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")
changed = app.topic(f"{NAME}-changes", key_type=str, value_serializer="json", partitions=PARTITIONS, internal=True)
known = app.Table("known", key_type=str, partitions=PARTITIONS)
counts = app.Table("counts", key_type=str, partitions=PARTITIONS)


@app.agent(answers)
async def keep_last_revision(stream: "faust.Stream[bytes]") -> None:
    async for key, value in stream.items():
        answer: Answer = answer_in(value)
        name = key.decode()
        found = changes(known.get(name), answer)
        if found:
            known[name] = answer
            for of, change in found.items():
                await changed.send(key=of, value=change)


@app.agent(changed)
async def add_up(stream: "faust.Stream[list[int]]") -> None:
    async for key, change in stream.items():
        before = counts.get(key) or [0, 0, 0]
        counts[key] = [count + more for count, more in zip(before, change, strict=True)]


if __name__ == "__main__":
    app.main()
