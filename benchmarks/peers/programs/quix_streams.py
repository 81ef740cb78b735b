"""Quix Streams: an answer's last revision in one state, its changes grouped by segment and day, summed in another.

With ``processing_guarantee="exactly-once"`` both states' changelogs, the repartition topic, the counts and the offsets
are in one transaction for a checkpoint. A checkpoint a second, RocksDB's and JSON's defaults (orjson), lz4.
What a killed process had begun stays open until its transaction times out, because the next one has another
transactional id: after ten seconds, as Kafka Streams has it, instead of sixty.
"""

from typing import Any

from quixstreams import Application, State
from quixstreams.models.topics import TopicConfig

from benchmarks.peers.programs.counting import (
    NAME,
    OUTPUT,
    SERVERS,
    SESSION_MILLISECONDS,
    STATE,
    TOPIC,
    answer_in,
    changes,
)

app = Application(
    broker_address=SERVERS,
    consumer_group=NAME,
    auto_offset_reset="earliest",
    state_dir=STATE / "rocksdb",
    processing_guarantee="exactly-once",
    commit_interval=1.0,
    loglevel="WARNING",
    consumer_extra_config={"session.timeout.ms": SESSION_MILLISECONDS, "max.partition.fetch.bytes": 2_097_152},
    producer_extra_config={
        "linger.ms": 50,
        "compression.type": "lz4",
        "transaction.timeout.ms": SESSION_MILLISECONDS,
    },
)


def changed_by(value: bytes, state: State) -> list[dict[str, Any]]:
    answer = answer_in(value)
    changed = changes(state.get("answer"), answer)
    if changed:
        state.set("answer", answer)
    return [{"of": key, "by": change} for key, change in changed.items()]


def summed(value: dict[str, Any], state: State) -> list[int]:
    before = state.get("counts") or [0, 0, 0]
    counts = [count + change for count, change in zip(before, value["by"], strict=True)]
    state.set("counts", counts)
    return counts


def main() -> None:
    answers = app.topic(TOPIC, key_deserializer="bytes", value_deserializer="bytes")
    output = app.topic(
        OUTPUT,
        key_serializer="bytes",
        value_serializer="json",
        config=TopicConfig(num_partitions=6, replication_factor=1),
    )
    changed = app.dataframe(answers).apply(changed_by, stateful=True, expand=True)
    grouped = changed.group_by(
        lambda value: value["of"].encode(), name="segment-and-day", key_serializer="bytes", key_deserializer="bytes"
    )
    grouped.apply(summed, stateful=True).to_topic(output)
    app.run()


if __name__ == "__main__":
    main()
