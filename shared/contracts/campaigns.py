"""``surveys.campaigns``: the published campaign definition a survey is sent under."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from shared.contracts import identity
from shared.contracts.events import Event
from shared.contracts.types import Contract, Identifier, Label, ShortText

TOPIC = "surveys.campaigns"

PUBLISHED = "campaign.published"

COLOR_PATTERN = r"^#[0-9a-fA-F]{6}$"
DEFAULT_COLOR = "#0b5fff"

SubjectOfQuestion = Literal["brand", "service", "product"]
AnswerWithinDays = Annotated[int, Field(ge=1, le=3_650)]


class Brand(Contract):
    """The name, logo and colour a customer sees. ``color`` is ``#rrggbb``; pages darken it if contrast is too low."""

    name: ShortText
    logo_url: ShortText | None = None
    color: Annotated[str, Field(pattern=COLOR_PATTERN)] = DEFAULT_COLOR


class CampaignTexts(Contract):
    """The texts for one locale; missing ones fall back to Hearback's own in that language.

    Only ``{brand}``, ``{product}`` and ``{name}`` are replaced.
    """

    subject: ShortText | None = None
    introduction: ShortText | None = None
    question: ShortText | None = None
    follow_up_detractor: ShortText | None = None
    follow_up_passive: ShortText | None = None
    follow_up_promoter: ShortText | None = None


Texts = Annotated[dict[Label, CampaignTexts], Field(max_length=50)]
"""By locale."""


class CampaignPublished(Contract):
    """One version of a campaign, with everything the collector needs to show its survey page."""

    campaign: Identifier
    campaign_version: Annotated[int, Field(ge=1)]
    subject_of_question: SubjectOfQuestion = "brand"
    brand: Brand
    default_locale: Label = "en"
    texts: Texts = {}
    answer_within_days: AnswerWithinDays = 30
    active: bool = True


def event(body: CampaignPublished, *, at: datetime) -> Event:
    """The event that publishes one version of a campaign; ``at`` is when it is published."""
    return Event(
        topic=TOPIC,
        key=body.campaign,
        event_id=identity.event_id(PUBLISHED, body.campaign, body.campaign_version),
        type=PUBLISHED,
        time=at,
        body=body,
    )
