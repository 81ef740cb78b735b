"""The email channel: composes survey emails, hands them to the mail server, asks for receipts."""

from datetime import datetime

import structlog

from services.dispatcher.courier.channels.email.compose import Composer
from services.dispatcher.courier.channels.email.receipts import Receipts, ReceiptsUnavailable
from services.dispatcher.courier.domain.deliveries import Ending, QueuedDelivery
from services.dispatcher.courier.settings import CourierSettings
from shared.contracts import sends
from shared.contracts.campaigns import CampaignPublished
from shared.mail import message
from shared.mail.addresses import domain_of, mailbox
from shared.mail.message import Email
from shared.mail.server import server_from
from shared.mail.smtp import Transport
from shared.transmission import MayBegin, TransmissionOutcome

log = structlog.get_logger()


class EmailChannel:
    """A ``Channel`` over SMTP."""

    name: sends.Channel = "email"
    provider = "smtp"
    server = "mail server"
    server_settings = "HEARBACK_SMTP_URL and HEARBACK_MAIL_FROM"

    def __init__(self, settings: CourierSettings) -> None:
        self.attempt_seconds = settings.courier_mail_seconds
        self._sender = mailbox(settings.mail_from)
        reply_to = mailbox(settings.mail_reply_to) if settings.mail_reply_to else None
        self._composer = Composer(self._sender, name=settings.mail_from_name, reply_to=reply_to)
        self._transport = Transport(
            server_from(settings.smtp_url.get_secret_value()),
            greeting=domain_of(self._sender),
            connections=settings.courier_connections,
            timeout=self.attempt_seconds,
            per_second=settings.courier_mails_per_second,
        )
        self._receipts = Receipts(settings.smtp_receipts_url) if settings.smtp_receipts_url else None

    @property
    def has_receipts(self) -> bool:
        return self._receipts is not None

    def message_id(self, send_id: str) -> str:
        """The Message-ID; recipients' mail systems may drop a second email with the same one."""
        return message.message_id(send_id, self._sender)

    def compose(self, delivery: QueuedDelivery, campaign: CampaignPublished, now: datetime) -> Email | Ending:
        return self._composer.compose(delivery, campaign, now)

    async def transmit(self, message: Email, may_begin: MayBegin) -> TransmissionOutcome:
        return await self._transport.send(message, may_begin)

    async def was_accepted(self, message_id: str) -> bool | None:
        if self._receipts is None:
            return None
        try:
            return await self._receipts.accepted(message_id)
        except ReceiptsUnavailable as error:
            log.warning("HEARBACK_SMTP_RECEIPTS_URL does not reply, retrying later", reason=str(error))
            return None

    async def rest(self) -> None:
        await self._transport.rest()

    async def close(self) -> None:
        await self._transport.close()
