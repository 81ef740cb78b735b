"""Settings every service shares, from the environment (``HEARBACK_…``) or, for secrets, a mounted file."""

import re
import sys
from datetime import timedelta
from typing import Annotated, Literal, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, SecretStr, ValidationError, field_validator

from shared.api_keys import read_keys
from shared.clock import clock_from
from shared.contracts.campaigns import COLOR_PATTERN, DEFAULT_COLOR
from shared.contracts.topics import LONGEST_RETENTION_DAYS, segment_seconds
from shared.kafka_settings import settings_errors
from shared.persistence.urls import driver_url
from shared.topic_settings import TopicSettings

# Anything else would have to be quoted differently in redirects, forms and emails.
_UNSAFE_IN_PATH = re.compile(r"[^A-Za-z0-9:/._~\[\]-]|(?<!:)//")
Positive = Annotated[float, Field(gt=0)]
Settings = TypeVar("Settings", bound="ServiceSettings")


class ServiceSettings(TopicSettings):
    """The settings of every service. A field ``http_port`` is read from ``HEARBACK_HTTP_PORT``."""

    database_url: SecretStr = Field(
        SecretStr("postgresql://hearback@127.0.0.1:5432/hearback"),
        description="PostgreSQL 18 or newer, as this service's role; its search_path must be the service's schema. "
        "sslmode and sslrootcert are understood.",
    )
    database_pool_size: int = Field(
        8,
        ge=2,
        le=200,
        description="Maximum database connections per process, besides one of the outbox relay and, in the collector, "
        "one of the writer of answers. HTTP requests use at most half of them.",
    )
    erased_id_days: int = Field(
        40,
        ge=1,
        le=3_650,
        description="Days after an erasure until the shop's id of the customer itself goes, from Kafka and from the "
        "dispatcher's ledgers; at the earliest when topics have nothing from before it, about a month, and in the "
        "ledgers after the longest quiet period.",
    )
    http_host: str = Field("127.0.0.1", description="Address the HTTP server listens on.")
    http_port: int = Field(8000, ge=0, le=65_535, description="Port the HTTP server listens on.")
    api_keys: SecretStr = Field(
        SecretStr(""),
        description="API clients: name:SHA-256 of the key in hex:scope,scope;… ; the scope * grants everything.",
    )
    secret: SecretStr = Field(
        SecretStr(""),
        # There is no safe default: anyone could forge links signed with a known secret.
        validate_default=True,
        description="Required. Signs answer links and sign-ins; at least 32 characters, the same in every process.",
    )
    former_secrets: SecretStr = Field(
        SecretStr(""),
        description="Earlier values of HEARBACK_SECRET, newest first, separated by commas; their links and sign-ins "
        "stay valid. Keep the oldest: erased customers are recognised by it.",
    )
    public_collector_url: str = Field(
        "http://127.0.0.1:8002",
        description="Public URL of the collector, used in links to customers. It may have a path, which a proxy in "
        "front may pass on or strip.",
    )
    dashboard_url: str = Field("http://127.0.0.1:8003/", description="URL of the dashboard, for staff; no path.")
    inbox_url: str = Field("http://127.0.0.1:8004/", description="URL of the inbox, for staff; no path.")
    clock: str = Field("", description="Simulated clock: TIME@REALTIMExSPEED or file:PATH; empty = real time.")
    timezone: str = Field(
        "UTC",
        description="The shop's time zone; decides when a day begins and ends. Set it before the first answer: what "
        "was counted stays on its day.",
    )
    brand_name: str = Field(
        "Our shop", min_length=1, max_length=100, description="The shop's name, as shown to customers."
    )
    brand_logo_url: str = Field("", description="HTTPS URL of the shop's logo; empty = show the name instead.")
    brand_color: str = Field(DEFAULT_COLOR, pattern=COLOR_PATTERN, description="The shop's colour, #rrggbb.")
    log_format: Literal["auto", "console", "json"] = Field(
        "auto", description="auto = readable in a terminal, JSON otherwise."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Minimum level logged.")
    consumer_batch_size: int = Field(5_000, ge=1, le=50_000, description="Maximum records per transaction.")
    # Nobody waits for what most services do with a record, and few large batches cost far less than many small ones.
    consumer_interval_seconds: Positive = Field(
        0.1,
        le=5,
        description="Minimum time from the beginning of a batch to that of the next one, so that records are handled "
        "together under load. The first after a silence and a large batch do not wait.",
    )
    consumer_session_seconds: Positive = Field(
        10,
        ge=6,
        le=300,
        description="Session timeout, after which another process takes over; brokers reject less than 6.",
    )
    # A loop that has not started a round for 60 s counts as stuck, and the process is then killed.
    retry_limit_seconds: Positive = Field(15, le=45, description="Maximum delay between retries.")
    dead_letter_limit: int = Field(
        100,
        ge=0,
        description="Maximum dead letters per topic and hour; where there would be more, that partition waits.",
    )
    dead_letter_days: int = Field(
        90,
        # The dead-letter topics keep them for 30, and the audit compares the two.
        ge=31,
        le=36_500,
        description="Days that a dead letter is listed, with its reason; Kafka has its bytes for 30.",
    )
    order_clock_skew_minutes: float = Field(
        15,
        ge=0,
        le=100_000_000,
        description="How far ahead of its arrival an order event may lie (occurred_at); further, it is a dead letter.",
    )
    guest_ids: str = Field(
        "guest,anonymous,anon,null,none,nil,undefined,unknown,n/a,nan,-1",
        max_length=5_000,
        description="Customer ids that stand for anybody, besides 0 and blanks: the address tells who ordered.",
    )
    outbox_batch_size: int = Field(2_000, ge=1, le=20_000, description="Maximum records the relay publishes at once.")
    drain_seconds: Positive = Field(20, le=300, description="Time to finish work in progress after SIGTERM.")

    @field_validator("clock")
    @classmethod
    def _readable_clock(cls, value: str) -> str:
        clock_from(value)
        return value

    @field_validator("public_collector_url")
    @classmethod
    def _public_url(cls, value: str) -> str:
        try:
            parts = urlsplit(value)
            plain = parts.scheme in ("http", "https") and parts.hostname and not (parts.query or parts.fragment)
        except ValueError:
            plain = False
        if not plain or _UNSAFE_IN_PATH.search(value):
            raise ValueError(f"{value!r} is not a public URL; use one such as https://shop.example/feedback")
        return value

    @field_validator("dashboard_url", "inbox_url")
    @classmethod
    def _own_host(cls, value: str) -> str:
        try:
            parts = urlsplit(value)
            plain = parts.scheme in ("http", "https") and parts.hostname and parts.path in ("", "/")
        except ValueError:
            plain = False
        if not plain or parts.query or parts.fragment or parts.username is not None:
            raise ValueError(
                f"{value!r} is not the URL of a host; these pages are served at / of a host or port of their own, such "
                "as https://nps.shop.example/"
            )
        return value

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"{value!r} is not a time zone; use a name such as America/Sao_Paulo") from error
        return value

    @field_validator("database_url")
    @classmethod
    def _readable_url(cls, value: SecretStr) -> SecretStr:
        driver_url(value.get_secret_value())
        return value

    @field_validator("api_keys")
    @classmethod
    def _readable_keys(cls, value: SecretStr) -> SecretStr:
        read_keys(value.get_secret_value())
        return value

    @field_validator("secret")
    @classmethod
    def _long_secret(cls, value: SecretStr) -> SecretStr:
        if len(value.get_secret_value()) < 32:
            raise ValueError("must have at least 32 characters; generate one with: openssl rand -hex 32")
        return value

    @field_validator("former_secrets")
    @classmethod
    def _long_secrets(cls, value: SecretStr) -> SecretStr:
        for number, former in enumerate(_listed(value), 1):
            if len(former) < 32:
                raise ValueError(f"entry {number} has less than 32 characters; list earlier values of HEARBACK_SECRET")
        return value

    @property
    def secrets(self) -> tuple[str, ...]:
        """The secret that signs, then those that were in use before it, newest first."""
        return (self.secret.get_secret_value(), *_listed(self.former_secrets))

    @property
    def order_clock_skew(self) -> timedelta:
        return timedelta(minutes=self.order_clock_skew_minutes)

    @property
    def erased_id_period(self) -> timedelta:
        """After an erasure, how long the customer's id stays so that it can be told whom to forget: at least until
        nothing from before it is left on the topics that forget by age."""
        segments = timedelta(seconds=segment_seconds(self.forget_days))
        return max(timedelta(days=self.erased_id_days), timedelta(days=LONGEST_RETENTION_DAYS + 1) + segments)

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    @property
    def collector_base_path(self) -> str:
        """The path of the collector's public URL, such as ``/feedback``; empty when it has none."""
        return urlsplit(self.public_collector_url).path.rstrip("/")


def _listed(secrets: SecretStr) -> list[str]:
    return [part.strip() for part in secrets.get_secret_value().split(",") if part.strip()]


def load(settings_type: type[Settings]) -> Settings:
    """The settings. Exits with status 2 after printing one line per invalid setting to standard error."""
    try:
        return settings_type()
    except ValidationError as error:
        print(*settings_errors(error), sep="\n", file=sys.stderr)
        raise SystemExit(2) from None
