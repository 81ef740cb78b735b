"""Turns a queued survey into an email, or into the reason why none can be sent."""

from datetime import datetime

import structlog

from services.dispatcher.courier.channels.email.message import survey_email
from services.dispatcher.courier.channels.email.template import SurveyTemplate
from services.dispatcher.courier.channels.email.words import MAIL_TEXTS, wording
from services.dispatcher.courier.domain.deliveries import BAD_LINK, INVALID_ADDRESS, Ending, QueuedDelivery
from shared.contracts.campaigns import CampaignPublished
from shared.mail.addresses import InvalidAddress, Mailbox, mailbox
from shared.mail.message import Email, Sender
from shared.texts.words import COMMON, load_texts

log = structlog.get_logger()


class Composer:
    """Composes emails from ``sender``. An empty ``name`` means the campaign's brand."""

    def __init__(self, sender: Mailbox, *, name: str, reply_to: Mailbox | None) -> None:
        self._sender = sender
        self._name = name
        self._reply_to = reply_to
        self._template = SurveyTemplate()
        self._texts = load_texts(COMMON, MAIL_TEXTS)

    def compose(self, delivery: QueuedDelivery, campaign: CampaignPublished, now: datetime) -> Email | Ending:
        survey = delivery.survey
        words = wording(survey, campaign, self._texts)
        try:
            recipient = mailbox(survey.recipient.address)
        except InvalidAddress as error:
            log.info("a survey's address cannot be used", send_id=survey.send_id, rule=str(error))
            return Ending(survey.send_id, "bounced", reason=INVALID_ADDRESS)
        try:
            body = self._template.render(
                words, campaign.brand, answer_url=survey.answer_url, unsubscribe_url=survey.unsubscribe_url
            )
        except ValueError as error:
            log.error("a survey cannot be sent", send_id=survey.send_id, reason=str(error))
            return Ending(survey.send_id, "failed", reason=BAD_LINK)
        sender = Sender(mailbox=self._sender, name=self._name or words.brand, reply_to=self._reply_to)
        return survey_email(
            survey, identity=delivery.message_id, sender=sender, to=recipient, words=words, body=body, now=now
        )
