"""Topics forget within the stated days, those that existed before, too; what operators set otherwise stays."""

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from shared.contracts.topics import ANSWERS, DAY_MILLISECONDS, ORDERS
from shared.messaging.topics import ensure_topics
from shared.settings import ServiceSettings
from tests.kit.settings import settings_for

DAYS = 6
THIRD = str(2 * DAY_MILLISECONDS)


def settings_on(kafka: str, prefix: str) -> ServiceSettings:
    return settings_for(
        ServiceSettings, "postgresql://h/d", kafka_bootstrap_servers=kafka, topic_prefix=prefix, forget_days=DAYS
    )


async def _configuration(admin: AIOKafkaAdminClient, name: str) -> dict[str, str]:
    (response,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])
    ((_code, _message, _type, _name, entries),) = response.resources
    return {entry[0]: entry[1] for entry in entries}


async def test_existing_topics_forget_in_time_and_keep_what_was_set(kafka: str, topic_prefix: str) -> None:
    settings = settings_on(kafka, topic_prefix)
    answers, orders = settings.topic(ANSWERS.name), settings.topic(ORDERS.name)
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        before = {"cleanup.policy": "compact", "max.message.bytes": "2000000"}
        quick = {"retention.ms": "3600000", "segment.ms": "60000"}
        await admin.create_topics(
            [NewTopic(answers, 1, 1, topic_configs=before), NewTopic(orders, 1, 1, topic_configs=quick)]
        )
        assert await ensure_topics(settings, [ANSWERS, ORDERS]) == []
        now = await _configuration(admin, answers)
        assert (now["segment.ms"], now["max.compaction.lag.ms"]) == (THIRD, THIRD)
        assert (now["max.message.bytes"], now["cleanup.policy"]) == ("2000000", "compact")
        assert (await _configuration(admin, orders))["segment.ms"] == "60000", "already quicker"
    finally:
        await admin.close()


async def test_a_new_topic_is_created_so(kafka: str, topic_prefix: str) -> None:
    settings = settings_on(kafka, topic_prefix)
    assert await ensure_topics(settings, [ANSWERS]) == [settings.topic(ANSWERS.name)]
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        now = await _configuration(admin, settings.topic(ANSWERS.name))
    finally:
        await admin.close()
    assert (now["segment.ms"], now["max.compaction.lag.ms"]) == (THIRD, THIRD)
