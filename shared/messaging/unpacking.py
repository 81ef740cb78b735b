"""Unpacks record batches record by record, so that one that is malformed costs only itself.

aiokafka refuses a fetch as a whole when a header's name is not UTF-8, a batch fails its checksum or cannot be
decompressed, and meets it again after a restart. Format: Kafka's documentation, "Record batch" (message format 2).
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from aiokafka import TopicPartition
from aiokafka.codec import gzip_decode, lz4_decode, snappy_decode, zstd_decode
from aiokafka.record.util import calc_crc32c

from shared.contracts.cloudevents import Headers
from shared.messaging.broker import Fetched

# Base offset, length, leader epoch, magic, checksum, attributes, last offset delta, two times, producer id and epoch,
# base sequence, number of records.
_HEADER = struct.Struct(">qiibIhiqqqhii")
_BEFORE_LENGTH_ENDS = 12
_CHECKED_FROM = 21
_CODECS = {1: gzip_decode, 2: snappy_decode, 3: lz4_decode, 4: zstd_decode}
_TRANSACTIONAL = 0x10
_CONTROL = 0x20
_APPEND_TIME = 0x08


@dataclass(frozen=True, slots=True, kw_only=True)
class RawRecord:
    """A record; ``fault`` says what is wrong with it, and the rest is then what can be had of it.

    ``records`` is more than 1 for a batch that cannot be unpacked at all: its value is the batch as Kafka keeps it.
    ``timestamp`` is in milliseconds since 1970, -1 if unknown.
    """

    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    partition: int
    fault: str | None = None
    records: int = 1
    timestamp: int = -1


@dataclass(slots=True)
class Unpacked:
    """Records in order and the position after them; ``corrupt`` is a batch that may be whole when fetched again."""

    records: list[RawRecord] = field(default_factory=list)
    following: int = 0
    corrupt: bool = False


def unpack(partition: TopicPartition, fetched: Fetched, offset: int, *, most: int, give_up: bool) -> Unpacked:
    """At most about ``most`` records from ``offset`` on, without those of aborted transactions.

    It ends before a batch that is corrupt, unless ``give_up``: then the batch is one record with its fault.
    """
    found = Unpacked(following=offset)
    transactions = _AbortedTransactions(fetched.aborted)
    for batch in _batches(fetched.data):
        aborted = transactions.has(batch)
        if batch.following <= offset:
            continue
        if len(found.records) >= most:
            break
        fault = batch.damage()
        if fault is None:
            try:
                found.records += batch.records(partition.partition, found.following) if not aborted else []
            except Exception as error:
                fault = f"the batch cannot be unpacked: {type(error).__name__}"
        if fault is not None:
            if not give_up:
                found.corrupt = True
                return found
            first = max(batch.base, found.following)
            found.records.append(
                RawRecord(
                    offset=first,
                    key=None,
                    value=batch.data,
                    headers=(),
                    partition=partition.partition,
                    fault=f"{fault}; it holds up to {batch.count} records",
                    records=batch.following - first,
                )
            )
            give_up = False
        found.following = max(found.following, batch.following)
    return found


@dataclass(frozen=True, slots=True)
class _Batch:
    data: bytes
    base: int
    magic: int
    checksum: int
    attributes: int
    following: int
    producer: int
    count: int
    first_timestamp: int
    largest_timestamp: int

    def damage(self) -> str | None:
        if self.magic != 2:
            return f"the batch has message format {self.magic}"
        if calc_crc32c(self.data[_CHECKED_FROM:]) != self.checksum:
            return "the batch fails its checksum"
        return None

    def records(self, partition: int, offset: int) -> list[RawRecord]:
        """Raises whatever decompressing and reading lengths raises."""
        if self.attributes & _CONTROL:
            return []
        body = self.data[_HEADER.size :]
        codec = self.attributes & 0x07
        if codec:
            body = bytes(_CODECS[codec](body))
        found = []
        position = 0
        for _ in range(self.count):
            length, position = _varint(body, position)
            record = body[position : position + length]
            if len(record) < length or length < 0:
                raise ValueError("a record is cut")
            position += length
            read = _record(record, self.base, partition, first_timestamp=self.first_timestamp)
            if self.attributes & _APPEND_TIME:
                read = replace(read, timestamp=self.largest_timestamp)
            if read.offset >= offset:
                found.append(read)
        return found


class _AbortedTransactions:
    """Told apart from others of the same producers: each lasts from its first offset to its producer's next marker."""

    def __init__(self, aborted: Sequence[tuple[int, int]]) -> None:
        """``aborted`` has producers, each with the first offset of a transaction."""
        self._to_begin = sorted(aborted, key=lambda each: each[1], reverse=True)
        self._open: set[int] = set()

    def has(self, batch: _Batch) -> bool:
        """Whether the batch belongs to one; to be asked about every batch, in order."""
        while self._to_begin and self._to_begin[-1][1] < batch.following:
            self._open.add(self._to_begin.pop()[0])
        if batch.attributes & _CONTROL:
            self._open.discard(batch.producer)
            return False
        return bool(batch.attributes & _TRANSACTIONAL) and batch.producer in self._open


def _batches(data: bytes) -> Iterator[_Batch]:
    """The whole batches. Where one ends, and its offsets, are not covered by its checksum."""
    position = 0
    while position + _HEADER.size <= len(data):
        base, length, _, magic, checksum, attributes, last, first, largest, producer, _, _, count = _HEADER.unpack_from(
            data, position
        )
        end = position + _BEFORE_LENGTH_ENDS + length
        if length <= 0 or end > len(data):
            return
        following = base + max(0, last) + 1
        if end + 8 <= len(data):  # the next batch knows better
            (following_base,) = struct.unpack_from(">q", data, end)
            if last < 0 or following > following_base:
                following = max(base + 1, following_base)
        yield _Batch(
            data[position:end], base, magic, checksum, attributes, following, producer, max(0, count), first, largest
        )
        position = end


def _record(data: bytes, base: int, partition: int, *, first_timestamp: int) -> RawRecord:
    fault = None
    position = 1  # attributes, unused
    later, position = _varint(data, position)
    delta, position = _varint(data, position)
    key, position = _bytes(data, position)
    value, position = _bytes(data, position)
    headers: list[tuple[str, bytes | None]] = []
    try:
        count, position = _varint(data, position)
        if not 0 <= count <= len(data):
            raise ValueError("the number of headers is impossible")
        for _ in range(count):
            name, position = _bytes(data, position)
            content, position = _bytes(data, position)
            if name is None:
                raise ValueError("a header has no name")
            try:
                headers.append((name.decode(), content))
            except UnicodeDecodeError:
                fault = "the name of a header is not UTF-8"
                headers.append((name.decode("utf-8", "backslashreplace"), content))
    except (ValueError, IndexError):
        fault = "its headers cannot be read"
    return RawRecord(
        offset=base + delta,
        key=key,
        value=value,
        headers=tuple(headers),
        partition=partition,
        fault=fault,
        timestamp=first_timestamp + later if first_timestamp >= 0 else -1,
    )


def _bytes(data: bytes, position: int) -> tuple[bytes | None, int]:
    length, position = _varint(data, position)
    if length < 0:
        return None, position
    content = data[position : position + length]
    if len(content) < length:
        raise ValueError("the record is shorter than it says")
    return content, position + length


def _varint(data: bytes, position: int) -> tuple[int, int]:
    """A zigzag variable-length integer and the position after it. Raises IndexError at the end of ``data``."""
    shift = raw = 0
    while True:
        byte = data[position]
        position += 1
        raw |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return (raw >> 1) ^ -(raw & 1), position
        shift += 7
        if shift > 63:
            raise ValueError("an integer is too long")
