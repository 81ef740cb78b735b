"""What cannot be read is put aside with its bytes, where it came from and why — up to a limit."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared import metrics
from shared.contracts.cloudevents import Headers
from shared.contracts.topics import dead_letter_topic
from shared.messaging.outbox import Record, put_records

# A record of the largest size a broker takes by default, with our headers added, would be refused, and hold up all
# that waits in the outbox behind it.
_LARGEST_VALUE = 900_000
_LARGEST_KEY = 20_000
_LARGEST_HEADERS = 50_000
_LONGEST_REASON = 1_000

_RECENT = text(
    """
    SELECT count(*) FROM dead_letters
    WHERE consumer = :consumer AND topic = :topic AND recorded_at > now() - interval '1 hour'
    """
)
_ADD = text(
    """
    INSERT INTO dead_letters (consumer, topic, partition, record_offset, reason)
    SELECT :consumer, topic, partition, record_offset, reason
    FROM unnest(CAST(:topics AS text[]), CAST(:partitions AS integer[]), CAST(:offsets AS bigint[]),
                CAST(:reasons AS text[])) AS letter (topic, partition, record_offset, reason)
    ON CONFLICT DO NOTHING
    """
)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """``reason`` names the field and the rule, never the value. ``topic`` is the catalogue's name."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    reason: str


class DeadLetterLimit(Exception):
    """So many records cannot be read that the fault is elsewhere: the consumer waits for somebody to look."""


async def put_aside(connection: AsyncConnection, consumer: str, letters: Sequence[DeadLetter], limit: int) -> None:
    """Records the letters and publishes them to ``<topic>.<consumer>.dlq``, in the batch's transaction.

    Raises DeadLetterLimit, and thereby rolls the batch back, when a topic would have more than ``limit`` in an hour.
    """
    for topic in {letter.topic for letter in letters}:
        recent = (await connection.execute(_RECENT, {"consumer": consumer, "topic": topic})).scalar_one()
        coming = sum(letter.topic == topic for letter in letters)
        if recent + coming > limit:
            raise DeadLetterLimit(
                f"{topic}: {recent + coming} records in an hour cannot be read (limit {limit}); look at "
                f"{dead_letter_topic(topic, consumer).name}, mend the producer or raise HEARBACK_DEAD_LETTER_LIMIT"
            )
    await connection.execute(
        _ADD,
        {
            "consumer": consumer,
            "topics": [letter.topic for letter in letters],
            "partitions": [letter.partition for letter in letters],
            "offsets": [letter.offset for letter in letters],
            "reasons": [letter.reason[:_LONGEST_REASON] for letter in letters],
        },
    )
    await put_records(connection, [_record(letter, consumer) for letter in letters])
    for letter in letters:
        metrics.dead_letters.labels(letter.topic).inc()


def _record(letter: DeadLetter, consumer: str) -> Record:
    value = letter.value or b""
    key = letter.key
    theirs = [(name, content) for name, content in letter.headers if not name.startswith("hearback-")]
    kept = _that_fit(theirs)
    headers: list[tuple[str, bytes | None]] = [
        *kept,
        ("hearback-topic", letter.topic.encode()),
        ("hearback-partition", str(letter.partition).encode()),
        ("hearback-offset", str(letter.offset).encode()),
        ("hearback-consumer", consumer.encode()),
        ("hearback-reason", letter.reason[:_LONGEST_REASON].encode("utf-8", "replace")),
    ]
    if letter.value is None:
        headers.append(("hearback-value", b"none"))
    if len(value) > _LARGEST_VALUE:
        headers.append(("hearback-value", b"cut from %d bytes" % len(value)))
        value = value[:_LARGEST_VALUE]
    if key is not None and len(key) > _LARGEST_KEY:
        headers.append(("hearback-key", b"cut from %d bytes" % len(key)))
        key = key[:_LARGEST_KEY]
    if len(kept) < len(theirs):
        headers.append(("hearback-headers", b"%d of %d" % (len(kept), len(theirs))))
    return Record(dead_letter_topic(letter.topic, consumer).name, key, value, headers)


def _that_fit(headers: Headers) -> Headers:
    """The first of them, as far as there is room."""
    room = _LARGEST_HEADERS
    for number, (name, content) in enumerate(headers):
        room -= len(name.encode()) + len(content or b"") + 10
        if room < 0:
            return headers[:number]
    return headers
