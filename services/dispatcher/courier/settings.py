"""What the courier can be told, from the environment (``HEARBACK_…``)."""

from typing import Literal
from urllib.parse import unquote, urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from services.dispatcher.courier.channels.email.message import Sender
from services.dispatcher.courier.channels.email.smtp import Server
from services.dispatcher.courier.domain.addresses import BadAddress, Mailbox, domain_of, mailbox
from shared.settings import Positive, ServiceSettings

_SCHEMES = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}


class CourierSettings(ServiceSettings):
    """The dispatcher's role and schema, and how to reach the mail server."""

    smtp_url: SecretStr = Field(
        SecretStr("smtp://127.0.0.1:25"),
        description="The mail server: smtp://, smtp+starttls:// or smtps://, with user:password@ where it wants them.",
    )
    smtp_receipts_url: str = Field(
        "", description="Where to ask whether a mail was accepted: answers ?message_id= with {accepted: true or false}."
    )
    mail_from: str = Field("surveys@localhost", description="The address surveys come from; its domain signs them.")
    mail_from_name: str = Field("", max_length=100, description="Their sender's name; empty is the campaign's brand.")
    mail_reply_to: str = Field("", description="Where replies go; empty is the address surveys come from.")
    courier_unknown_outcome: Literal["hold", "resend"] = Field(
        "hold", description="A mail whose outcome nobody can tell: hold (never twice) or resend (once more)."
    )
    courier_connections: int = Field(4, ge=1, le=100, description="SMTP connections of one courier.")
    courier_burst: int = Field(24, ge=1, le=500, description="Mails taken at once: most whose outcome a crash hides.")
    courier_mails_per_second: float = Field(0, ge=0, description="Most mails a second of one courier; 0 is no limit.")
    courier_mail_seconds: Positive = Field(15, le=600, description="Longest a mail server may take over one mail.")
    courier_lease_seconds: Positive = Field(
        40, le=3_600, description="Real seconds after which another courier looks after a mail in transmission."
    )
    courier_retry_seconds: Positive = Field(10, le=3_600, description="First pause after a mail was put off.")
    courier_retry_limit_seconds: Positive = Field(3_600, le=86_400, description="Longest such pause.")

    @field_validator("smtp_url")
    @classmethod
    def _reachable_server(cls, value: SecretStr) -> SecretStr:
        server_from(value.get_secret_value())
        return value

    @field_validator("smtp_receipts_url")
    @classmethod
    def _web_address(cls, value: str) -> str:
        if value and not (urlsplit(value).scheme in ("http", "https") and urlsplit(value).netloc):
            raise ValueError("must be an http or https address, or empty")
        return value

    @field_validator("mail_from", "mail_reply_to")
    @classmethod
    def _address(cls, value: str) -> str:
        if value:
            try:
                mailbox(value)
            except BadAddress as error:
                raise ValueError(f"{value!r} is no address to send from: {error}") from error
        return value

    @model_validator(mode="after")
    def _time_to_finish(self) -> "CourierSettings":
        if self.courier_lease_seconds < 2 * self.courier_mail_seconds:
            raise ValueError(
                "HEARBACK_COURIER_LEASE_SECONDS must be at least twice HEARBACK_COURIER_MAIL_SECONDS, so that nobody "
                "asks after a mail that is still on its way"
            )
        return self

    @property
    def sender(self) -> Sender:
        reply_to = mailbox(self.mail_reply_to) if self.mail_reply_to else None
        return Sender(mailbox(self.mail_from), self.mail_from_name, reply_to)

    @property
    def server(self) -> Server:
        return server_from(self.smtp_url.get_secret_value())

    @property
    def greeting(self) -> str:
        """What we call ourselves at EHLO."""
        return domain_of(Mailbox(mailbox(self.mail_from)))


def server_from(url: str) -> Server:
    """The server behind an address. Raises ValueError, which does not repeat it: it may hold a password."""
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError as error:
        raise ValueError("the port must be a number from 1 to 65535") from error
    if parts.scheme not in _SCHEMES or not parts.hostname:
        raise ValueError(f"must begin with {', '.join(f'{scheme}://' for scheme in _SCHEMES)} and name a host")
    return Server(
        host=parts.hostname,
        port=port or _SCHEMES[parts.scheme],
        tls=parts.scheme == "smtps",
        start_tls=True if parts.scheme == "smtp+starttls" else None,
        user=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
    )
