"""bytewax: an answer's last revision in one stateful step, its changes keyed by segment and day, summed in another.

Durable by its recovery store (SQLite): each second's end, every state that changed and the positions in Kafka are
written together. What was published after the last snapshot is published again after a kill; as these are counts, not
changes, the last record of each is right once the repetition is over. Batches through both steps, one worker: a second
one would share this one's interpreter lock.
"""

from collections.abc import Iterable

import orjson
from bytewax import operators as op
from bytewax.connectors.kafka import KafkaSink, KafkaSinkMessage, KafkaSource, KafkaSourceMessage
from bytewax.dataflow import Dataflow
from bytewax.operators import StatefulBatchLogic

from benchmarks.peers.programs.counting import OUTPUT, SERVERS, TOPIC, Answer, answer_in, changes

LZ4 = {"linger.ms": "50", "compression.type": "lz4"}


class LastRevision(StatefulBatchLogic):
    """What each revision changes. Its state is the last one."""

    def __init__(self, answer: Answer | None) -> None:
        self._answer = answer

    def on_batch(self, values: list[Answer]) -> tuple[Iterable[tuple[str, list[int]]], bool]:
        found: list[tuple[str, list[int]]] = []
        for answer in values:
            changed = changes(self._answer, answer)
            if changed:
                self._answer = answer
                found.extend(changed.items())
        return found, StatefulBatchLogic.RETAIN

    def snapshot(self) -> Answer | None:
        return self._answer


class Sum(StatefulBatchLogic):
    """The counts after each batch. Its state are these."""

    def __init__(self, counts: list[int] | None) -> None:
        self._counts = counts or [0, 0, 0]

    def on_batch(self, values: list[list[int]]) -> tuple[Iterable[list[int]], bool]:
        for change in values:
            for group in range(3):
                self._counts[group] += change[group]
        return [list(self._counts)], StatefulBatchLogic.RETAIN

    def snapshot(self) -> list[int]:
        return list(self._counts)


def keyed(messages: "list[KafkaSourceMessage]") -> list[tuple[str, Answer]]:
    return [(message.key.decode(), answer_in(message.value)) for message in messages]


def record(count: tuple[str, list[int]]) -> "KafkaSinkMessage":
    return KafkaSinkMessage(key=count[0].encode(), value=orjson.dumps(count[1]))


def flow() -> Dataflow:
    dataflow = Dataflow("counts")
    source = KafkaSource([SERVERS], [TOPIC], batch_size=5_000, add_config={"max.partition.fetch.bytes": "2097152"})
    answers = op.flat_map_batch("decode", op.input("answers", dataflow, source), keyed)
    changed = op.stateful_batch("last-revision", answers, LastRevision)
    by_segment_and_day = op.key_rm("without-id", changed)
    counted = op.stateful_batch("sum", by_segment_and_day, Sum)
    op.output("counts", op.map("record", counted, record), KafkaSink([SERVERS], OUTPUT, add_config=LZ4))
    return dataflow
