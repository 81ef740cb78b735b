"""Record batches that no client library would write, published as they are."""

import struct
import time
from dataclasses import dataclass

from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.codec import gzip_encode, lz4_encode, snappy_encode, zstd_encode
from aiokafka.errors import LeaderNotAvailableError
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.util import calc_crc32c

from shared.contracts.cloudevents import Headers
from tests.kit.eventually import eventually

CODECS = {"gzip": (1, gzip_encode), "snappy": (2, snappy_encode), "lz4": (3, lz4_encode), "zstd": (4, zstd_encode)}
"""Each with Kafka's number for it."""

_BEFORE_LENGTH_ENDS = 12
_CHECKED_FROM = 21
_RECORDS_FROM = 61


@dataclass(frozen=True, slots=True)
class Raw:
    """A record; its headers' names may be replaced afterwards, by others as long."""

    value: bytes | None
    headers: Headers
    key: bytes = b"k"


def batch_of(*records: Raw, replace: tuple[bytes, bytes] = (b"", b""), codec: str | None = None) -> bytes:
    """A batch of records as Kafka keeps it, with every occurrence of ``replace[0]`` replaced and the checksum right.

    ``codec`` is one of ``CODECS``, by which the records are then compressed.
    """
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=0,
        is_transactional=0,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=1_000_000,
    )
    for number, record in enumerate(records):
        # Now: what is older than its topic's retention may be deleted before anybody has read it.
        builder.append(number, time.time_ns() // 1_000_000, record.key, record.value, list(record.headers))
    data = bytearray(bytes(builder.build()))
    if replace[0]:
        assert len(replace[0]) == len(replace[1])
        assert replace[0] in data
        data = data.replace(*replace)
    if codec is not None:
        number, compress = CODECS[codec]
        data[_RECORDS_FROM:] = compress(bytes(data[_RECORDS_FROM:]))
        data[22] |= number
        struct.pack_into(">i", data, 8, len(data) - _BEFORE_LENGTH_ENDS)
    struct.pack_into(">I", data, 17, calc_crc32c(bytes(data[_CHECKED_FROM:])))
    return bytes(data)


async def publish(bootstrap_servers: str, topic: str, partition: int, batch: bytes) -> None:
    client = AIOKafkaClient(bootstrap_servers=bootstrap_servers)
    await client.bootstrap()
    try:
        await client.set_topics([topic])
        request = ProduceRequest(
            transactional_id=None, required_acks=-1, timeout=5_000, topics=[(topic, [(partition, batch)])]
        )

        async def send() -> int:
            leader = client.cluster.leader_for_partition(TopicPartition(topic, partition))
            if leader is None or leader < 0:
                await client.force_metadata_update()
                return int(LeaderNotAvailableError.errno)
            response = await client.send(leader, request)
            ((_, ((_, error, *_),)),) = response.topics
            return int(error)

        # A partition made a moment ago may not know yet that it has a leader.
        await eventually(send, "the broker to accept the batch", wanted=lambda error: error == 0)
    finally:
        await client.close()
