"""The databases of all services, for commands that look after several of them."""

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings

from shared.kafka_settings import KafkaSettings
from shared.persistence.urls import driver_url

_DESCRIPTION = "For `hearback database` and `hearback migrate`: HEARBACK_DATABASE_URL of the "


class RoleSettings(BaseSettings):
    """A field ``scorer_database_url`` is read from ``HEARBACK_SCORER_DATABASE_URL``, or from a file in /run/secrets."""

    model_config = KafkaSettings.model_config

    dispatcher_database_url: SecretStr = Field(SecretStr(""), description=f"{_DESCRIPTION}dispatcher and the courier.")
    collector_database_url: SecretStr = Field(SecretStr(""), description=f"{_DESCRIPTION}collector.")
    scorer_database_url: SecretStr = Field(SecretStr(""), description=f"{_DESCRIPTION}scorer.")
    alerter_database_url: SecretStr = Field(SecretStr(""), description=f"{_DESCRIPTION}alerter.")

    @field_validator("*")
    @classmethod
    def _readable(cls, value: SecretStr) -> SecretStr:
        if written := value.get_secret_value():
            return SecretStr(driver_url(written))
        return value

    def url_of(self, service: str) -> str:
        """Empty if it is not set."""
        url: SecretStr = getattr(self, f"{service}_database_url")
        return url.get_secret_value()
