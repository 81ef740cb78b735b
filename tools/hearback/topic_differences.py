"""What topics on a cluster differ in from the catalogue, and what can be done about it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewPartitions

from shared.messaging.topics import (
    WantedTopic,
    all_topics,
    change_settings,
    create_topics,
    fewest_replicas,
    topic_settings,
    wanted_topics,
)
from shared.topic_settings import TopicSettings

MISSING, PARTITIONS, REPLICAS = "missing", "partitions", "replicas"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """``what`` is ``missing``, ``partitions``, ``replicas`` or the name of a setting of Kafka's.

    ``remedy`` says what to do about what ``apply`` cannot change; empty if it can.
    """

    topic: str
    what: str
    found: str
    wanted: str
    remedy: str = ""

    def as_json(self) -> dict[str, str]:
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The differences, and what is needed to change them. ``own`` are the settings that each topic has of its own."""

    differences: Sequence[Difference]
    wanted: Mapping[str, WantedTopic]
    own: Mapping[str, Mapping[str, str]]

    @property
    def seems_applied(self) -> bool:
        """Whether nothing is left that ``apply`` could change."""
        return all(each.remedy for each in self.differences)


async def compare(admin: AIOKafkaAdminClient, settings: TopicSettings) -> Comparison:
    """The catalogue with the cluster. Raises a KafkaError of aiokafka."""
    described = {topic["topic"]: topic for topic in await admin.describe_topics()}
    wanted = await wanted_topics(admin, settings, all_topics())
    there = sorted(wanted.keys() & described.keys())
    found = await topic_settings(admin, there) if there else {}
    differences = [
        Difference(topic=name, what=MISSING, found="", wanted=f"{topic.partitions} partitions")
        for name, topic in sorted(wanted.items())
        if name not in described
    ]
    for name in there:
        differences += _of_topic(wanted[name], described[name], {key: value for key, (value, _) in found[name].items()})
    own = {name: {key: value for key, (value, own) in found[name].items() if own} for name in there}
    return Comparison(differences=differences, wanted=wanted, own=own)


def _of_topic(wanted: WantedTopic, described: Mapping[str, Any], settings: Mapping[str, str]) -> Iterable[Difference]:
    partitions, replicas = len(described["partitions"]), fewest_replicas(described)
    if partitions < wanted.partitions:
        yield Difference(topic=wanted.name, what=PARTITIONS, found=str(partitions), wanted=str(wanted.partitions))
    # More are fine: somebody has added them.
    if replicas < wanted.copies.replication:
        yield Difference(
            topic=wanted.name,
            what=REPLICAS,
            found=str(replicas),
            wanted=str(wanted.copies.replication),
            remedy="kafka-reassign-partitions.sh adds them",
        )
    for name, value in sorted(wanted.configuration.items()):
        if settings.get(name) != value:
            yield Difference(topic=wanted.name, what=name, found=settings.get(name, ""), wanted=value)


async def apply(admin: AIOKafkaAdminClient, comparison: Comparison) -> None:
    """Changes what can be changed. Raises a KafkaError of aiokafka."""
    by_what = [(each, comparison.wanted[each.topic]) for each in comparison.differences if not each.remedy]
    await create_topics(admin, [topic for each, topic in by_what if each.what == MISSING])
    grown = {topic.name: NewPartitions(topic.partitions) for each, topic in by_what if each.what == PARTITIONS}
    if grown:
        await admin.create_partitions(grown)
    changed: dict[str, dict[str, str]] = {}
    for each, topic in by_what:
        if each.what not in (MISSING, PARTITIONS):
            settings = changed.setdefault(topic.name, dict(comparison.own[topic.name]))
            settings[each.what] = each.wanted
    if changed:
        await change_settings(admin, changed)
