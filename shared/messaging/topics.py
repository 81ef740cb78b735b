"""Creates missing topics of the catalogue; nothing else creates topics."""

from collections.abc import Iterable

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import for_code

from shared.contracts.topics import CATALOGUE, CONSUMED_BY, Topic, dead_letter_topic
from shared.settings import ServiceSettings

_ALREADY_EXISTS = 36


def all_topics() -> list[Topic]:
    """The whole catalogue, with the dead letters of every consumer."""
    letters = [dead_letter_topic(topic.name, service=name) for name, topics in CONSUMED_BY.items() for topic in topics]
    return [*CATALOGUE, *letters]


async def ensure_topics(settings: ServiceSettings, topics: Iterable[Topic]) -> list[str]:
    """Creates missing topics and returns their names; existing ones are left unchanged.

    Raises a KafkaError of aiokafka when the broker rejects the request or cannot be reached.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap_servers, client_id="hearback-topics")
    await admin.start()
    try:
        existing = set(await admin.list_topics())
        missing = [topic for topic in topics if settings.topic(topic.name) not in existing]
        if not missing:
            return []
        response = await admin.create_topics(
            [
                NewTopic(
                    settings.topic(topic.name),
                    num_partitions=topic.partitions,
                    replication_factor=settings.topic_replication,
                    topic_configs=topic.configuration(),
                )
                for topic in missing
            ]
        )
        created = []
        for name, code, *message in response.topic_errors:
            if code == 0:
                created.append(name)
            elif code != _ALREADY_EXISTS:
                raise for_code(code)(f"cannot create the topic {name}: {message[0] if message else code}")
        return created
    finally:
        await admin.close()
