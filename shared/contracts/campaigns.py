"""``surveys.campaigns``: the published definition a survey was sent under."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from shared.contracts import identity
from shared.contracts.events import Event
from shared.contracts.types import Contract, Identifier, Label, ShortText

TOPIC = "surveys.campaigns"

PUBLISHED = "campaign.published"


class Brand(Contract):
    """Whose name the customer sees. ``color`` is ``#rrggbb``; pages darken it themselves where contrast fails."""

    name: ShortText
    logo_url: ShortText | None = None
    color: Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")] = "#0b5fff"


class CampaignTexts(Contract):
    """What one locale reads; absent ones fall back to Hearback's own texts in that language.

    ``{brand}``, ``{product}`` and ``{name}`` are replaced; nothing else is.
    """

    subject: ShortText | None = None
    introduction: ShortText | None = None
    question: ShortText | None = None
    follow_up_detractor: ShortText | None = None
    follow_up_passive: ShortText | None = None
    follow_up_promoter: ShortText | None = None


class CampaignPublished(Contract):
    campaign: Identifier
    campaign_version: Annotated[int, Field(ge=1)]
    subject_of_question: Annotated[str, Field(pattern=r"^(brand|service|product)$")] = "brand"
    brand: Brand
    default_locale: Label = "en"
    texts: Annotated[dict[Label, CampaignTexts], Field(max_length=50)] = {}
    answer_within_days: Annotated[int, Field(ge=1, le=3_650)] = 30
    active: bool = True


def event(body: CampaignPublished, *, at: datetime) -> Event:
    """The event that publishes one version of a campaign; ``at`` is the moment it is published."""
    return Event(
        topic=TOPIC,
        key=body.campaign,
        event_id=identity.event_id(PUBLISHED, body.campaign, body.campaign_version),
        type=PUBLISHED,
        time=at,
        body=body,
    )
