"""Settings of a service under test, and keys of its API."""

import hashlib
from typing import Any, TypeVar

from pydantic import SecretStr

from shared.kafka_settings import KafkaSettings
from shared.settings import ServiceSettings

SECRET = "x" * 32
KEY = "a key that is long enough"

S = TypeVar("S", bound=ServiceSettings)


def api_key(name: str, *scopes: str, key: str = KEY) -> str:
    """An entry of HEARBACK_API_KEYS, for ``Authorization: Bearer {key}``; without scopes it has all of them."""
    return f"{name}:{hashlib.sha256(key.encode()).hexdigest()}:{','.join(scopes) or '*'}"


def settings_for(settings: type[S], database_url: str, *api_keys: str, **values: Any) -> S:
    """Settings as a service reads them from its environment; without Kafka, unless ``values`` name one."""
    return settings(
        database_url=SecretStr(database_url), secret=SecretStr(SECRET), api_keys=SecretStr(";".join(api_keys)), **values
    )


def kafka_at(servers: str) -> KafkaSettings:
    return KafkaSettings(kafka_bootstrap_servers=servers)
