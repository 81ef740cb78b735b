"""Creates missing topics of the catalogue, and makes the others forget in time; nothing else creates topics."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import IncompatibleBrokerVersion, KafkaError, for_code

from shared.contracts.topics import CATALOGUE, CONSUMED_BY, Topic, dead_letter_topic
from shared.topic_settings import TopicSettings

log = structlog.get_logger()

_ALREADY_EXISTS = 36
# Kafka's ``ConfigSource.DYNAMIC_TOPIC_CONFIG``: set on the topic itself.
_SET_ON_TOPIC = 1
_FORGETTING = ("segment.ms", "max.compaction.lag.ms", "delete.retention.ms")
_MIN_INSYNC = "min.insync.replicas"
_USUAL_REPLICATION = 3


def all_topics() -> list[Topic]:
    """The whole catalogue, with the dead letters of every consumer."""
    letters = [dead_letter_topic(topic.name, service=name) for name, topics in CONSUMED_BY.items() for topic in topics]
    return [*CATALOGUE, *letters]


async def topic_names(settings: TopicSettings) -> set[str]:
    """The topics under our prefix, without it. Raises a KafkaError of aiokafka when the broker cannot be reached."""
    admin = AIOKafkaAdminClient(**settings.connection(), client_id="hearback-topics")
    await admin.start()
    try:
        prefix = settings.topic_prefix
        return {name.removeprefix(prefix) for name in await admin.list_topics() if name.startswith(prefix)}
    finally:
        await admin.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Copies:
    """How many brokers have each record of a topic, and how many of them must before it is acknowledged."""

    replication: int
    min_insync: int

    @classmethod
    def wanted(cls, settings: TopicSettings, *, brokers: int) -> "Copies":
        """As configured; otherwise three, of which one may be away, or what a cluster of fewer brokers can do."""
        replication = settings.topic_replication or max(1, min(_USUAL_REPLICATION, brokers))
        min_insync = settings.topic_min_insync_replicas or max(1, replication - 1)
        return cls(replication=replication, min_insync=min(min_insync, replication))


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedTopic:
    """A topic as it would be created now. ``name`` is the one on the cluster, ``configuration`` Kafka's settings."""

    name: str
    partitions: int
    copies: Copies
    configuration: Mapping[str, str]


async def wanted_topics(
    admin: AIOKafkaAdminClient, settings: TopicSettings, topics: Iterable[Topic]
) -> dict[str, WantedTopic]:
    """By name on the cluster. Raises a KafkaError of aiokafka."""
    copies = Copies.wanted(settings, brokers=len((await admin.describe_cluster())["brokers"]))
    return {
        settings.topic(topic.name): WantedTopic(
            name=settings.topic(topic.name),
            partitions=topic.partitions,
            copies=copies,
            configuration={**topic.configuration(settings.forget_days), _MIN_INSYNC: str(copies.min_insync)},
        )
        for topic in topics
    }


async def ensure_topics(settings: TopicSettings, topics: Iterable[Topic]) -> list[str]:
    """Creates missing topics and returns their names. An existing topic keeps its settings, but what makes it keep
    erased records longer than ``HEARBACK_FORGET_DAYS`` allows is shortened.

    Raises a KafkaError of aiokafka when the broker rejects the request or cannot be reached.
    """
    admin = AIOKafkaAdminClient(**settings.connection(), client_id="hearback-topics")
    await admin.start()
    try:
        described = {topic["topic"]: topic for topic in await admin.describe_topics()}
        existing = described.keys()
        wanted = await wanted_topics(admin, settings, topics)
        await _forget_in_time(admin, {name: topic.configuration for name, topic in wanted.items() if name in existing})
        _warn_of_few_copies([topic for name, topic in wanted.items() if name in existing], described)
        return await create_topics(admin, [topic for name, topic in wanted.items() if name not in existing])
    finally:
        await admin.close()


async def create_topics(admin: AIOKafkaAdminClient, topics: Sequence[WantedTopic]) -> list[str]:
    """Returns the names of those that nobody else has created meanwhile. Raises a KafkaError of aiokafka."""
    if not topics:
        return []
    response = await admin.create_topics(
        [
            NewTopic(
                topic.name,
                num_partitions=topic.partitions,
                replication_factor=topic.copies.replication,
                topic_configs=dict(topic.configuration),
            )
            for topic in topics
        ]
    )
    created = []
    for name, code, *message in response.topic_errors:
        if code == 0:
            created.append(name)
        elif code != _ALREADY_EXISTS:
            raise for_code(code)(f"cannot create the topic {name}: {message[0] if message else code}")
    return created


def _warn_of_few_copies(wanted: Iterable[WantedTopic], described: Mapping[str, Mapping[str, Any]]) -> None:
    """A topic is created once: with fewer copies if brokers were missing then, or were added later."""
    few = [topic for topic in wanted if fewest_replicas(described[topic.name]) < topic.copies.replication]
    if few:
        log.warning(
            "topics have fewer replicas than wanted; kafka-reassign-partitions adds some",
            topics=len(few),
            for_example=min(topic.name for topic in few),
            wanted=few[0].copies.replication,
        )


def fewest_replicas(described: Mapping[str, Any]) -> int:
    """Of any partition of a topic, as ``describe_topics`` of aiokafka has it."""
    return min(len(partition["replicas"]) for partition in described["partitions"])


async def _forget_in_time(admin: AIOKafkaAdminClient, wanted: Mapping[str, Mapping[str, str]]) -> None:
    """Lowers the settings of ``_FORGETTING`` that are higher than ``wanted``, by topic.

    A cluster that does not let us is told of, not failed: its operators may set the topics up themselves.
    """
    if not wanted:
        return
    try:
        changes = _shortened(await topic_settings(admin, wanted), wanted)
        if changes:
            await change_settings(admin, changes)
            log.info("topics now forget in time", topics=len(changes))
    except (KafkaError, IncompatibleBrokerVersion) as error:
        log.warning("cannot check how long topics keep erased records", error=type(error).__name__)


async def change_settings(admin: AIOKafkaAdminClient, changes: Mapping[str, Mapping[str, str]]) -> None:
    """By topic, all the settings that it is to have of its own: AlterConfigs resets those it is not given.

    Raises a KafkaError of aiokafka.
    """
    resources = [ConfigResource(ConfigResourceType.TOPIC, name, dict(configs)) for name, configs in changes.items()]
    for response in await admin.alter_configs(resources):
        for code, message, _type, name in response.resources:
            if code:
                raise for_code(code)(f"cannot change the topic {name}: {message or code}")


async def topic_settings(admin: AIOKafkaAdminClient, names: Iterable[str]) -> dict[str, dict[str, tuple[str, bool]]]:
    """By topic and setting: its value in force, and whether it is set on the topic itself. Raises a KafkaError of
    aiokafka."""
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    found: dict[str, dict[str, tuple[str, bool]]] = {}
    for response in await admin.describe_configs(resources):
        for code, message, _type, name, entries in response.resources:
            if code:
                raise for_code(code)(f"cannot read the settings of the topic {name}: {message or code}")
            found[name] = {entry[0]: (entry[1], entry[3] == _SET_ON_TOPIC) for entry in entries}
    return found


def _shortened(
    found: Mapping[str, Mapping[str, tuple[str, bool]]], wanted: Mapping[str, Mapping[str, str]]
) -> dict[str, dict[str, str]]:
    """By topic that must change, all its own settings."""
    changes = {}
    for name, settings in found.items():
        lower = {
            key: value
            for key, value in wanted[name].items()
            if key in _FORGETTING and key in settings and int(settings[key][0]) > int(value)
        }
        if lower:
            changes[name] = {key: value for key, (value, own) in settings.items() if own} | lower
    return changes
