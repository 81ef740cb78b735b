"""How to reach Kafka, and as whom: read by every process, and by the tools that look at an installation."""

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.validation import rule

PREFIX = "HEARBACK_"
_SASL = "SASL_"
SECRETS_DIRECTORY = Path("/run/secrets")


class KafkaSettings(BaseSettings):
    """A field ``kafka_password`` is read from ``HEARBACK_KAFKA_PASSWORD``."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        # A variable set to nothing, as in a compose file, is one that is not set.
        env_ignore_empty=True,
        secrets_dir=SECRETS_DIRECTORY if SECRETS_DIRECTORY.is_dir() else None,
        extra="ignore",
        hide_input_in_errors=True,
    )

    kafka_bootstrap_servers: str = Field("127.0.0.1:9092", description="Kafka brokers, host:port, comma-separated.")
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="Whether connections to Kafka use TLS (…SSL) and a user name (SASL_…)."
    )
    kafka_ca_file: Path | None = Field(
        None, description="PEM file of who signed the brokers' certificates; without it, those the system trusts."
    )
    kafka_certificate_file: Path | None = Field(
        None, description="PEM file of this process's own certificate, where brokers want one (mutual TLS)."
    )
    kafka_key_file: Path | None = Field(
        None,
        validate_default=True,
        description="PEM file of the key to that certificate, unless it is in the same file.",
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "SCRAM-SHA-512", description="How to sign in, with a security protocol SASL_…"
    )
    kafka_username: str = Field("", description="User name, with a security protocol SASL_…")
    kafka_password: SecretStr = Field(
        SecretStr(""), validate_default=True, description="Password of HEARBACK_KAFKA_USERNAME."
    )

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """From variables instead of the process's own. Raises ValidationError of pydantic."""
        return cls(
            **{name: value for name in cls.model_fields if (value := environment.get(PREFIX + name.upper()))}  # type: ignore[arg-type]  # texts, which are validated
        )

    @field_validator("kafka_ca_file")
    @classmethod
    def _readable_authority(cls, value: Path | None) -> Path | None:
        if value is not None:  # reading all that the system trusts takes as long as the rest of the settings
            try:
                ssl.create_default_context(cafile=value)
            except OSError as error:
                raise ValueError(f"{str(value)!r} cannot be used as a PEM file of certificates: {error}") from error
        return value

    @field_validator("kafka_key_file")
    @classmethod
    def _readable_certificate(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        certificate = info.data.get("kafka_certificate_file")
        if certificate is None:
            if value is not None:
                raise ValueError("is of no use without HEARBACK_KAFKA_CERTIFICATE_FILE")
            return value
        try:
            ssl.create_default_context().load_cert_chain(certificate, value)
        except OSError as error:
            raise ValueError(
                f"{str(value or certificate)!r} cannot be used as the PEM file of the key of "
                f"HEARBACK_KAFKA_CERTIFICATE_FILE, {str(certificate)!r}: {error}"
            ) from error
        return value

    @field_validator("kafka_password")
    @classmethod
    def _complete(cls, value: SecretStr, info: ValidationInfo) -> SecretStr:
        protocol = info.data.get("kafka_security_protocol", "")
        if protocol.startswith(_SASL) and not (info.data.get("kafka_username") and value.get_secret_value()):
            raise ValueError(
                f"HEARBACK_KAFKA_SECURITY_PROTOCOL is {protocol}, which needs this and HEARBACK_KAFKA_USERNAME"
            )
        return value

    @property
    def uses_tls(self) -> bool:
        return self.kafka_security_protocol.endswith("SSL")

    @property
    def uses_sasl(self) -> bool:
        return self.kafka_security_protocol.startswith(_SASL)

    def tls(self) -> ssl.SSLContext:
        """Checks the brokers' names against their certificates. Raises OSError for files that cannot be used."""
        context = ssl.create_default_context(cafile=self.kafka_ca_file)
        if self.kafka_certificate_file is not None:
            context.load_cert_chain(self.kafka_certificate_file, self.kafka_key_file)
        return context

    def security(self) -> dict[str, Any]:
        """The arguments about security that every client of aiokafka takes."""
        arguments: dict[str, Any] = {"security_protocol": self.kafka_security_protocol}
        if self.uses_tls:
            arguments["ssl_context"] = self.tls()
        if self.uses_sasl:
            arguments |= {
                "sasl_mechanism": self.kafka_sasl_mechanism,
                "sasl_plain_username": self.kafka_username,
                "sasl_plain_password": self.kafka_password.get_secret_value(),
            }
        return arguments

    def connection(self) -> dict[str, Any]:
        """The arguments with which every client of aiokafka reaches the brokers."""
        return {"bootstrap_servers": self.kafka_bootstrap_servers, **self.security()}


def settings_errors(error: ValidationError) -> list[str]:
    """A sentence for each invalid setting, with its name; never its value, which may be a secret."""
    return [
        f"{PREFIX}{str(violation['loc'][0]).upper() if violation['loc'] else ''}: {rule(violation['msg'])}"
        for violation in error.errors(include_url=False, include_input=False)
    ]
