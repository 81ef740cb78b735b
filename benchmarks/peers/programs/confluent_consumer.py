"""confluent-kafka: a loop over ``consume``, exactly once by hand.

The library keeps no state. As in its documentation's example of transactions, what a batch changed is published to the
compacted topic of counts in the transaction that commits the positions. What was known of each answer is read again
from the topic itself at the start, up to those positions: it is compacted by answer, so it has all that is needed.
Large batches, a large fetch queue, lz4.
"""

import orjson
from confluent_kafka import Consumer, Message, Producer, TopicPartition

from benchmarks.peers.programs.counting import (
    NAME,
    OUTPUT,
    PARTITIONS,
    SERVERS,
    TOPIC,
    Answer,
    answer_in,
    changes,
)

BATCH = 10_000


class Counts:
    def __init__(self) -> None:
        self._known: dict[bytes, Answer] = {}
        self.by_segment_and_day: dict[str, list[int]] = {}

    def add(self, message: Message) -> set[str]:
        """Returns the keys that it changed."""
        answer = answer_in(message.value())
        changed = changes(self._known.get(message.key()), answer)
        if changed:
            self._known[message.key()] = answer
        for key, change in changed.items():
            count = self.by_segment_and_day.setdefault(key, [0, 0, 0])
            for group in range(3):
                count[group] += change[group]
        return set(changed)


def main() -> None:
    producer = Producer(
        {"bootstrap.servers": SERVERS, "transactional.id": NAME, "linger.ms": 50, "compression.type": "lz4"}
    )
    producer.init_transactions()  # ends what a killed predecessor had begun
    consumer = Consumer(
        {
            "bootstrap.servers": SERVERS,
            "group.id": NAME,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            "max.partition.fetch.bytes": 2_097_152,
            "queued.max.messages.kbytes": 65_536,
        }
    )
    partitions = [TopicPartition(TOPIC, number) for number in range(PARTITIONS)]
    positions = {found.partition: max(found.offset, 0) for found in consumer.committed(partitions)}
    counts = Counts()
    restore(consumer, counts, positions)
    consumer.assign([TopicPartition(TOPIC, partition, offset) for partition, offset in positions.items()])
    while True:
        messages = received(consumer)
        if not messages:
            continue
        changed: set[str] = set()
        for message in messages:
            changed |= counts.add(message)
            positions[message.partition()] = message.offset() + 1
        producer.begin_transaction()
        for key in changed:
            producer.produce(OUTPUT, key=key, value=orjson.dumps(counts.by_segment_and_day[key]))
        producer.send_offsets_to_transaction(
            [TopicPartition(TOPIC, partition, offset) for partition, offset in positions.items()],
            consumer.consumer_group_metadata(),
        )
        producer.commit_transaction()


def restore(consumer: Consumer, counts: Counts, positions: dict[int, int]) -> None:
    """Counts again what was counted before, up to the positions, without publishing it."""
    missing = {partition for partition, position in positions.items() if position > 0}
    consumer.assign([TopicPartition(TOPIC, partition, 0) for partition in missing])
    while missing:
        for message in received(consumer):
            position = positions[message.partition()]
            if message.offset() < position:
                counts.add(message)
            if message.offset() + 1 >= position:
                missing.discard(message.partition())


def received(consumer: Consumer) -> list[Message]:
    messages = consumer.consume(BATCH, timeout=0.2)
    for message in messages:
        if message.error():
            raise RuntimeError(message.error())
    return list(messages)


if __name__ == "__main__":
    main()
