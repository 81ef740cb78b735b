"""The courier's settings, from the environment (``HEARBACK_…``)."""

import math
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from services.dispatcher.courier.domain.outcomes import Pauses
from services.dispatcher.courier.domain.unresolved import WithoutReceipts
from shared.mail.addresses import InvalidAddress, mailbox
from shared.mail.server import server_from
from shared.settings import Positive, ServiceSettings


class CourierSettings(ServiceSettings):
    """The dispatcher's database role and schema, and how to reach the mail server."""

    smtp_url: SecretStr = Field(
        SecretStr("smtp://127.0.0.1:25"),
        description="Mail server URL: smtp://, smtp+starttls:// or smtps://, with user:password@ if it requires login.",
    )
    smtp_receipts_url: str = Field(
        "",
        description="URL to ask whether an email was accepted: ?message_id= returns {accepted: true or false}; "
        "empty = none.",
    )
    mail_from: str = Field(
        "surveys@localhost", description="From address of surveys; its domain is also used in Message-ID and EHLO."
    )
    mail_from_name: str = Field("", max_length=100, description="From name of surveys; empty = the campaign's brand.")
    mail_reply_to: str = Field("", description="Reply-To address of surveys; empty = replies go to the From address.")
    courier_unknown_outcome: WithoutReceipts = Field(
        "hold",
        description="What to do with an email that may or may not have arrived, without receipts to ask: "
        "hold (never send it twice) or resend (once).",
    )
    courier_connections: int = Field(4, ge=1, le=100, description="SMTP connections per courier.")
    courier_burst: int = Field(
        24,
        ge=1,
        le=500,
        description="Maximum emails sent between two commits; a crash leaves up to this many outcomes unknown.",
    )
    courier_mails_per_second: float = Field(
        0, ge=0, description="Maximum emails per second per courier; 0 = unlimited."
    )
    courier_mail_seconds: Positive = Field(
        15, le=600, description="Timeout of each SMTP step (connect, envelope, content), in seconds."
    )
    courier_lease_seconds: Positive = Field(
        40,
        le=3_600,
        description="Seconds after which another courier takes over an email whose transmission has not ended.",
    )
    courier_retry_seconds: Positive = Field(
        10, le=3_600, description="Seconds before the first retry of a deferred email; doubles with each."
    )
    courier_retry_limit_seconds: Positive = Field(
        3_600, le=86_400, description="Maximum pause between two retries, in seconds."
    )
    courier_give_up_days: Positive = Field(
        4, le=30, description="Days of retries after which an email that is deferred each time has failed."
    )
    courier_same_refusals: int = Field(
        5,
        ge=2,
        le=1_000,
        description="Emails refused alike, with none accepted in between, after which the server is taken to refuse "
        "everybody: the courier pauses and is not ready.",
    )

    @field_validator("smtp_url")
    @classmethod
    def _server_url(cls, value: SecretStr) -> SecretStr:
        server_from(value.get_secret_value())
        return value

    @field_validator("smtp_receipts_url")
    @classmethod
    def _http_url(cls, value: str) -> str:
        if value and not (urlsplit(value).scheme in ("http", "https") and urlsplit(value).netloc):
            raise ValueError("must be an http or https URL, or empty")
        return value

    @field_validator("mail_from", "mail_reply_to")
    @classmethod
    def _address(cls, value: str) -> str:
        if value:
            try:
                mailbox(value)
            except InvalidAddress as error:
                raise ValueError(f"{value!r} is not a valid email address: {error}") from error
        return value

    @model_validator(mode="after")
    def _lease_outlasts_sending(self) -> "CourierSettings":
        lease, step = self.courier_lease_seconds, self.courier_mail_seconds
        if lease < 2 * step:
            raise ValueError(
                "HEARBACK_COURIER_LEASE_SECONDS must be at least twice HEARBACK_COURIER_MAIL_SECONDS, so that no other "
                "courier takes over an email that is still being sent"
            )
        rate = self.courier_mails_per_second
        if rate and 1 / rate > lease - step:
            raise ValueError(
                f"HEARBACK_COURIER_MAILS_PER_SECOND ({rate:g}) is one email every {1 / rate:.0f} seconds; "
                f"for that, set HEARBACK_COURIER_LEASE_SECONDS to at least {math.ceil(1 / rate + step)}"
            )
        if self.courier_retry_limit_seconds < self.courier_retry_seconds:
            raise ValueError(
                "HEARBACK_COURIER_RETRY_LIMIT_SECONDS is the longest pause, and must be at least "
                "HEARBACK_COURIER_RETRY_SECONDS, the first"
            )
        if self.courier_give_up_days * 86_400 <= self.courier_retry_seconds:
            raise ValueError(
                "HEARBACK_COURIER_GIVE_UP_DAYS must be longer than HEARBACK_COURIER_RETRY_SECONDS, or a deferred email "
                "would never be tried again"
            )
        return self

    @property
    def pauses(self) -> Pauses:
        return Pauses(
            first=self.courier_retry_seconds,
            longest=self.courier_retry_limit_seconds,
            give_up=self.courier_give_up_days * 86_400,
        )

    @property
    def burst(self) -> int:
        """Emails to take at once: as many as can be sent within their lease at the permitted rate."""
        if not self.courier_mails_per_second:
            return self.courier_burst
        seconds = self.courier_lease_seconds - self.courier_mail_seconds
        return max(1, min(self.courier_burst, int(seconds * self.courier_mails_per_second)))
