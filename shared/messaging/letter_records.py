"""The record that a dead letter is published as; its headers are in the contract (``contracts/generate.py``)."""

from shared.contracts.cloudevents import Headers
from shared.contracts.topics import dead_letter_topic
from shared.messaging.records import DeadLetter, Record

# A record of the maximum size a broker accepts by default would be rejected once our headers are added, and would
# block everything behind it in the outbox.
_LARGEST_VALUE = 900_000
_LARGEST_KEY = 20_000
_LARGEST_HEADERS = 50_000


def letter_record(letter: DeadLetter, consumer: str) -> Record:
    """The bytes that were set aside, as far as a broker takes them, with our headers after their own."""
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
        ("hearback-reason", letter.short_reason.encode("utf-8", "replace")),
    ]
    if letter.records > 1:
        headers.append(("hearback-records", str(letter.records).encode()))
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
    return Record(topic=dead_letter_topic(letter.topic, service=consumer).name, key=key, value=value, headers=headers)


def _that_fit(headers: Headers) -> Headers:
    """The first of them, as many as fit."""
    room = _LARGEST_HEADERS
    for number, (name, content) in enumerate(headers):
        room -= len(name.encode()) + len(content or b"") + 10
        if room < 0:
            return headers[:number]
    return headers
