"""Where a waiting survey becomes a letter, or is found to be one that must not be sent any more."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from services.dispatcher.courier.channels.email.message import Letter, Sender, compose
from services.dispatcher.courier.channels.email.template import FOLDER, SurveyTemplate
from services.dispatcher.courier.channels.email.words import wording
from services.dispatcher.courier.domain.addresses import BadAddress, mailbox
from services.dispatcher.courier.domain.deliveries import BAD_LINK, INVALID_ADDRESS, Ending, Waiting, obstacle
from services.dispatcher.domain.customers import Customer
from services.dispatcher.repository import campaigns as campaign_repository
from services.dispatcher.repository import customers as customer_repository
from services.dispatcher.repository.campaigns import StoredCampaign
from shared.contracts.campaigns import Brand, CampaignPublished
from shared.contracts.sends import SurveySent
from shared.texts.words import COMMON, load_texts

log = structlog.get_logger()


class Desk:
    """``brand`` signs the mails of a campaign that is not known here."""

    def __init__(self, sender: Sender, brand: Brand) -> None:
        self._sender = sender
        self._brand = brand
        self._template = SurveyTemplate()
        self._common_texts = load_texts(COMMON)
        self._mail_texts = load_texts(FOLDER / "texts")

    async def write(
        self, connection: AsyncConnection, waiting: Sequence[Waiting], now: datetime
    ) -> list[Letter | Ending]:
        """For each survey, in the same order, its letter, or how it ended without one."""
        customers = await customer_repository.read(connection, {each.survey.customer_id for each in waiting})
        stored = await campaign_repository.all_of_them(connection)
        wanted = {each.survey.campaign for each in waiting}
        campaigns = {name: _published(campaign) for name, campaign in stored.items() if name in wanted}
        return [self._write(each, customers, campaigns, now) for each in waiting]

    def _write(
        self,
        waiting: Waiting,
        customers: Mapping[str, Customer],
        campaigns: Mapping[str, CampaignPublished],
        now: datetime,
    ) -> Letter | Ending:
        survey = waiting.survey
        ending = obstacle(survey, now, unreachable(survey, customers.get(survey.customer_id)))
        if ending is not None:
            return ending
        campaign = campaigns.get(survey.campaign) or CampaignPublished(
            campaign=survey.campaign, campaign_version=survey.campaign_version, brand=self._brand
        )
        words = wording(survey, campaign, self._common_texts, self._mail_texts)
        try:
            recipient = mailbox(survey.recipient.address)
        except BadAddress as error:
            log.info("a survey has no usable address", send_id=survey.send_id, rule=str(error))
            return Ending(survey.send_id, "bounced", INVALID_ADDRESS)
        try:
            parts = self._template.render(words, campaign.brand, survey.answer_url, survey.unsubscribe_url)
        except ValueError as error:
            log.error("a survey cannot be sent", send_id=survey.send_id, reason=str(error))
            return Ending(survey.send_id, "failed", BAD_LINK)
        return compose(survey, recipient, self._sender, waiting.message_id, words, parts, now)


def unreachable(survey: SurveySent, customer: Customer | None) -> str | None:
    """What has happened since the survey was decided that forbids to send it; None when nothing has."""
    if customer is None:
        return None
    if customer.was_erased_by(survey.sent_at):
        return "erased"
    reason = customer.unreachable_by(survey.channel)
    # The survey carries the address it was decided for, which a customer need not have any more.
    return None if reason == "no_address" else reason


def _published(stored: StoredCampaign) -> CampaignPublished:
    campaign = stored.campaign
    return CampaignPublished(
        campaign=campaign.id,
        campaign_version=stored.version,
        subject_of_question=campaign.subject_of_question,
        brand=stored.brand,
        default_locale=campaign.default_locale,
        texts=campaign.texts,
    )
