"""The records behind dead letters: read from ``<topic>.<service>.dlq``, and published to their own topic again."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from shared.contracts.topics import dead_letter_topic
from shared.kafka_settings import KafkaSettings
from tools.hearback.letter_table import Letter

_STALL_SECONDS = 20
_PREFIX = "hearback-"
# A letter is published shortly after its row is written, by the broker's clock.
_CLOCKS_APART = timedelta(minutes=5)
Place = tuple[str, int, int]
Progress = Callable[[int], None]


class RecordGone(RuntimeError):
    """Kafka has deleted the record by age, or its value was too large to be kept whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterRecord:
    """A record that was set aside, as it was. ``incomplete`` says what could not be kept of it, or is empty."""

    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]
    incomplete: str


class LetterRecords:
    """``prefix`` is the installation's prefix of topic names."""

    def __init__(self, kafka: KafkaSettings, *, prefix: str) -> None:
        self._kafka = kafka
        self._prefix = prefix

    async def read(
        self, letters: Collection[Letter], progress: Progress = lambda _found: None
    ) -> dict[str, LetterRecord]:
        """The records by letter id; those Kafka no longer has are missing."""
        found: dict[str, LetterRecord] = {}

        def further(more: int) -> None:
            progress(len(found) + more)

        by_topic: dict[str, list[Letter]] = {}
        for letter in letters:
            by_topic.setdefault(dead_letter_topic(letter.topic, service=letter.service).name, []).append(letter)
        for topic, expected in by_topic.items():
            found |= await self._read(self._prefix + topic, expected, further)
        return found

    async def _read(self, topic: str, letters: Sequence[Letter], progress: Progress) -> dict[str, LetterRecord]:
        wanted = {letter.place: letter.letter_id for letter in letters}
        found: dict[str, LetterRecord] = {}
        partition = TopicPartition(topic, 0)
        consumer = AIOKafkaConsumer(**self._kafka.connection(), enable_auto_commit=False)
        await consumer.start()
        try:
            consumer.assign([partition])
            since = min(letter.recorded_at for letter in letters) - _CLOCKS_APART
            starts = await consumer.offsets_for_times({partition: int(since.timestamp() * 1_000)})
            end = (await consumer.end_offsets([partition]))[partition]
            start = starts.get(partition)
            position = end if start is None else start.offset
            consumer.seek(partition, position)
            while position < end and len(found) < len(wanted):
                batches = await consumer.getmany(timeout_ms=_STALL_SECONDS * 1_000, max_records=5_000)
                if not batches:
                    break
                for record in batches.get(partition, ()):
                    position = record.offset + 1
                    letter_id = wanted.get(_place(dict(record.headers)))
                    if letter_id is not None:
                        found[letter_id] = _as_it_was(record.key, record.value, record.headers)
                progress(len(found))
        finally:
            await consumer.stop()
        return found

    async def publish(self, topic: str, records: Mapping[Place, LetterRecord]) -> None:
        """Publishes the records to ``topic``, the catalogue's name, and waits for all replicas to have them.

        Each to the partition it came from: whoever chose that may not have chosen by the key's hash.
        """
        producer = AIOKafkaProducer(
            **self._kafka.connection(), enable_idempotence=True, acks="all", max_request_size=2_000_000
        )
        await producer.start()
        try:
            for (_, partition, _offset), record in records.items():
                # Sent one by one: the order of a key's records is kept, whatever fails.
                await producer.send_and_wait(
                    self._prefix + topic,
                    value=record.value,
                    key=record.key,
                    partition=partition,
                    headers=list(record.headers),
                )
        finally:
            await producer.stop()


def _place(headers: dict[str, bytes]) -> Place:
    """Where the record was; of no record when the headers are not those of a dead letter."""
    try:
        return (
            headers["hearback-topic"].decode(),
            int(headers["hearback-partition"]),
            int(headers["hearback-offset"]),
        )
    except (KeyError, ValueError, TypeError):
        return ("", -1, -1)


def _as_it_was(key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes]]) -> LetterRecord:
    ours = {name: content for name, content in headers if name.startswith(_PREFIX)}
    cut = [
        f"{what} {ours[name].decode()}"
        for name, what in (
            (f"{_PREFIX}key", "the key was"),
            (f"{_PREFIX}value", "the value was"),
            (f"{_PREFIX}headers", "headers kept:"),
            (f"{_PREFIX}records", "records it stands for:"),
        )
        if name in ours and ours[name] != b"none"
    ]
    return LetterRecord(
        key=key,
        value=None if ours.get(f"{_PREFIX}value") == b"none" else value,
        headers=[(name, content) for name, content in headers if not name.startswith(_PREFIX)],
        incomplete="; ".join(cut),
    )
