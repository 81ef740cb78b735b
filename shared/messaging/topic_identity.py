"""Which topic a name stands for: one that was deleted and made again is another one, with an id of its own.

aiokafka asks for a version of Kafka's metadata that has no topic ids (they came with KIP-516), so the request is made
here, from its building blocks.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any
from uuid import UUID

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import IncompatibleBrokerVersion
from aiokafka.protocol.api import RequestHeader_v2, ResponseHeader_v1
from aiokafka.protocol.types import Boolean, CompactArray, CompactString, Int16, Int32, Schema, TaggedFields

_NONE = UUID(int=0)


@dataclass(frozen=True, slots=True)
class TopicIdentity:
    """A topic, whatever else has or had its name. It has another id in every cluster."""

    cluster_id: str
    topic_id: UUID


async def identities(client: AIOKafkaClient, topics: Iterable[str]) -> dict[str, TopicIdentity]:
    """Those of the topics that have one, by name. Brokers before Kafka 2.8 know none; that is not an error.

    Raises a KafkaError, an OSError or TimeoutError when the broker does not answer.
    """
    try:
        response: _MetadataResponse = await client.send(client.get_random_node(), _MetadataRequest(sorted(topics)))
    except IncompatibleBrokerVersion:
        return {}
    cluster_id = response.cluster_id
    if cluster_id is None:
        return {}
    return {name: TopicIdentity(cluster_id, topic_id) for name, topic_id in response.topic_ids.items()}


class _Uuid:
    @staticmethod
    def encode(value: UUID) -> bytes:
        return value.bytes

    @staticmethod
    def decode(data: BytesIO) -> UUID:
        return UUID(bytes=data.read(16))


class _MetadataResponse:
    """Version 10 of Kafka's metadata."""

    _SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            CompactArray(
                ("node_id", Int32),
                ("host", CompactString()),
                ("port", Int32),
                ("rack", CompactString()),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_id", CompactString()),
        ("controller_id", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("name", CompactString()),
                ("topic_id", _Uuid),
                ("is_internal", Boolean),
                (
                    "partitions",
                    CompactArray(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", CompactArray(Int32)),
                        ("isr", CompactArray(Int32)),
                        ("offline_replicas", CompactArray(Int32)),
                        ("tags", TaggedFields),
                    ),
                ),
                ("authorized_operations", Int32),
                ("tags", TaggedFields),
            ),
        ),
        ("authorized_operations", Int32),
        ("tags", TaggedFields),
    )

    def __init__(self, cluster_id: str | None, topic_ids: Mapping[str, UUID]) -> None:
        self.cluster_id = cluster_id
        self.topic_ids = topic_ids

    @classmethod
    def decode(cls, data: BytesIO) -> "_MetadataResponse":
        _throttled, _brokers, cluster_id, _controller, topics, *_ = cls._SCHEMA.decode(data)
        ids = {name: topic_id for code, name, topic_id, *_ in topics if code == 0 and topic_id != _NONE}
        return cls(cluster_id, ids)


class _MetadataRequest:
    """What aiokafka's connection needs of a request."""

    API_KEY = 3
    API_VERSION = 10
    RESPONSE_TYPE = _MetadataResponse
    _SCHEMA = Schema(
        ("topics", CompactArray(("topic_id", _Uuid), ("name", CompactString()), ("tags", TaggedFields))),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
        ("tags", TaggedFields),
    )

    def __init__(self, topics: Sequence[str]) -> None:
        self._topics = topics

    def prepare(self, versions: Mapping[int, tuple[int, int]]) -> "_MetadataRequest":
        """Itself, for a broker that takes requests of these ``versions``, by key. Raises IncompatibleBrokerVersion."""
        first, last = versions.get(self.API_KEY, (0, 0))
        if not first <= self.API_VERSION <= last:
            raise IncompatibleBrokerVersion("the broker knows no topic ids")
        return self

    def build_request_header(self, correlation_id: int, client_id: str) -> Any:
        return RequestHeader_v2(self, correlation_id=correlation_id, client_id=client_id)

    def encode(self) -> bytes:
        encoded: bytes = self._SCHEMA.encode([[(_NONE, name, {}) for name in self._topics], False, False, False, {}])
        return encoded

    @staticmethod
    def parse_response_header(data: BytesIO) -> Any:
        return ResponseHeader_v1.decode(data)
