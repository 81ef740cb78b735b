"""Creates and deletes topics on the stack's Kafka."""

from collections.abc import Mapping
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from pydantic import ValidationError

from deploy.local.errors import StackError
from shared.kafka_settings import PREFIX, KafkaSettings, settings_errors
from shared.messaging.topics import all_topics, ensure_topics
from shared.settings import ServiceSettings


async def provide_topics(environment: Mapping[str, str]) -> list[str]:
    """Creates the missing topics on the Kafka named in a service's `environment`; returns their names.

    Raises StackError when Kafka is unreachable or refuses, and for an invalid setting.
    """
    settings = _settings_in(environment)
    try:
        return await ensure_topics(settings, all_topics())
    except KafkaError as error:
        raise StackError(
            f"The topics could not be created: Kafka at {settings.kafka_bootstrap_servers} failed with {error}. "
            "Check HEARBACK_KAFKA_BOOTSTRAP_SERVERS, or unset it to use the stack's own."
        ) from error


async def delete_topics(bootstrap_servers: str, *, prefix: str) -> None:
    """Deletes the topics whose names begin with `prefix`: those of one run on a shared cluster."""
    admin = AIOKafkaAdminClient(**KafkaSettings(kafka_bootstrap_servers=bootstrap_servers).connection())
    await admin.start()
    try:
        topics = [topic for topic in await admin.list_topics() if topic.startswith(prefix)]
        if topics:
            await admin.delete_topics(topics)
    finally:
        await admin.close()


def require_acceptable(environment: Mapping[str, str]) -> None:
    """Raises StackError naming the first setting that every service would reject, before anything is started."""
    _settings_in({"HEARBACK_SECRET": "a placeholder; the stack generates one later", **environment})


def _settings_in(environment: Mapping[str, str]) -> ServiceSettings:
    fields: dict[str, Any] = {name.removeprefix(PREFIX).lower(): value for name, value in environment.items()}
    try:
        return ServiceSettings(**fields)
    except ValidationError as error:
        raise StackError(f"{settings_errors(error)[0]}.") from error
