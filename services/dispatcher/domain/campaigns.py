"""Campaign definitions: which milestone of an order to ask about, whom, and when to stand aside for others."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from services.dispatcher.domain.durations import Duration
from services.dispatcher.domain.orders import STOPS, Stop
from shared import definitions
from shared.contracts.campaigns import AnswerWithinDays, Brand, CampaignPublished, SubjectOfQuestion, Texts
from shared.contracts.types import Label
from shared.definitions import Faulty, InvalidDefinition, in_lines
from shared.validation import explain

CampaignMilestone = Literal["order.placed", "order.paid", "order.shipped", "order.delivered", "order.promised"]
"""``order.promised`` is the promised delivery time; the others are when it happened."""

DIMENSIONS = (
    "country",
    "region",
    "category",
    "tier",
    "cohort",
    "order_value",
    "sales_channel",
    "survey_channel",
    "campaign",
    "experiment",
    "delivery",
)
"""Segments recorded for every survey; a configured pair names two, an audience these or ``attributes.<name>``."""

ATTRIBUTE = "attributes."

MAX_DEFINITION_BYTES = 64 * 1024
"""Of the YAML or JSON text."""

MAX_CAMPAIGNS = 200
"""Maximum of an installation: every batch reads them all."""

CampaignSet = int
"""Campaigns by number: bit n is set if the campaign with number n, which it has for ever, is one of them."""

_ID_RULE = r"^[a-z0-9][a-z0-9-]{0,62}$"


def _listed(value: object) -> object:
    return [value] if isinstance(value, str | dict) else value


def _dimension(name: str) -> str:
    if name not in DIMENSIONS and not name.startswith(ATTRIBUTE):
        raise ValueError(f"{name!r} is not a segment; use one of {', '.join(DIMENSIONS)}, or {ATTRIBUTE}<name>")
    return name


Dimension = Annotated[Label, AfterValidator(_dimension)]
AcceptedValues = Annotated[tuple[Label, ...], BeforeValidator(_listed)]


class _Definition(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Trigger(_Definition):
    """``delay`` after the milestone ``after``."""

    after: CampaignMilestone
    delay: Duration = timedelta(0)


class Campaign(_Definition):
    """One reason to ask, as defined by its YAML file. Durations are exact, not calendar days.

    Either ``trigger`` (about an order; the earliest of several wins) or ``every`` (about the customer, recurring).
    ``priority`` 1 goes first.
    """

    id: Annotated[str, Field(pattern=_ID_RULE)]
    active: bool = True
    priority: Annotated[int, Field(ge=1, le=1_000)] = 100
    trigger: Annotated[tuple[Trigger, ...], BeforeValidator(_listed), Field(max_length=5)] = ()
    every: Duration | None = None
    active_within: Duration = timedelta(days=365)
    """A recurring campaign asks only customers who ordered at most this long ago."""
    stop_on: tuple[Stop, ...] = STOPS
    quiet_period: Duration | None = None
    """A customer asked by any campaign within this period is not asked again. Absent: the setting's."""
    pair_with: Annotated[str, Field(pattern=_ID_RULE)] | None = None
    """The campaign whose survey about the same order counts as one with this one's; both must name each other."""
    valid_for: Duration = timedelta(days=14)
    """How long after its due time the question still makes sense."""
    look_ahead: Duration = timedelta(days=7)
    """Stands aside for a more important campaign due for the same customer within this period."""
    audience: Annotated[dict[Dimension, AcceptedValues], Field(max_length=10)] = {}
    """Segment dimension to accepted values; every dimension must match. Empty: everyone."""
    channel: Literal["email"] = "email"
    subject_of_question: SubjectOfQuestion = "brand"
    default_locale: Label = "en"
    texts: Texts = {}
    answer_within_days: AnswerWithinDays = 30

    @model_validator(mode="after")
    def _has_one_kind_of_moment(self) -> "Campaign":
        if bool(self.trigger) == (self.every is not None):
            raise ValueError("give either trigger (about an order) or every (about the customer), not both")
        if self.every is not None and self.every < timedelta(days=1):
            raise ValueError('every must be at least "1 day"')
        if self.pair_with is not None and (self.every is not None or self.pair_with == self.id):
            raise ValueError(
                "pair_with pairs two campaigns about orders: name another one, and only in a campaign with a trigger"
            )
        return self

    def quiet_for(self, default: timedelta) -> timedelta:
        return default if self.quiet_period is None else self.quiet_period


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCampaign:
    """A current definition. ``from_file`` is the last one from its file, None when it came only through the API."""

    campaign: Campaign
    version: int
    brand: Brand
    from_file: Campaign | None = None

    def published(self) -> CampaignPublished:
        """This version as published: for the collector on its topic, for the courier when it composes a survey."""
        campaign = self.campaign
        return CampaignPublished(
            campaign=campaign.id,
            campaign_version=self.version,
            subject_of_question=campaign.subject_of_question,
            brand=self.brand,
            default_locale=campaign.default_locale,
            texts=campaign.texts,
            answer_within_days=campaign.answer_within_days,
            active=campaign.active,
        )


def are_pair(one: Campaign, other: Campaign) -> bool:
    """Whether surveys of the two about one order count as one: both must name each other."""
    return one.pair_with == other.id and other.pair_with == one.id


Review = Callable[[Campaign], Sequence[str]]
"""Says what is wrong with a campaign that can be read: ``campaign_review.mistakes``."""


def _unreviewed(_campaign: Campaign) -> Sequence[str]:
    return ()


def parse(text: str, *, where: str, review: Review = _unreviewed) -> Campaign:
    """The campaign in a YAML (or JSON) text. ``where`` is its file, for the message of InvalidDefinition, which tells
    everything that is wrong at once."""
    campaign = definitions.parse(
        text,
        Campaign,
        where=where,
        max_bytes=MAX_DEFINITION_BYTES,
        besides=lambda faulty: [*_between_fields(faulty), *_reviewed(faulty, review)],
    )
    if found := review(campaign):
        raise InvalidDefinition(in_lines(found, where=where))
    return campaign


def _between_fields(faulty: Faulty) -> list[str]:
    """Which rules between fields are broken, if these fields themselves can be read."""
    if not all(map(faulty.is_readable, ("trigger", "every", "pair_with"))):
        return []
    try:
        Campaign.model_validate({**_STAND_IN, **faulty.readable()})
    except ValidationError as error:
        return [sentence for each, sentence in zip(error.errors(), explain(error), strict=False) if not each["loc"]]
    return []


def _reviewed(faulty: Faulty, review: Review) -> Sequence[str]:
    """What ``review`` says about the fields that can be read."""
    fields = {name: value for name, value in faulty.readable().items() if name in _REVIEWED}
    if not faulty.is_readable("id") and isinstance(audience := fields.get("audience"), dict):
        audience.pop("campaign", None)  # can only be this one's id
    try:
        campaign = Campaign.model_validate({**_STAND_IN, **fields, "trigger": {"after": "order.placed"}})
    except ValidationError:
        return ()
    return review(campaign)


_REVIEWED = ("id", "audience", "default_locale", "texts")
_STAND_IN = {"id": "unnamed"}


def parse_folder(files: Mapping[str, str], *, review: Review = _unreviewed) -> list[Campaign]:
    """The campaigns of one folder, given each file's text by its name. Raises InvalidDefinition for all of them."""
    campaigns: dict[str, Campaign] = {}
    refused: list[str] = []
    for name, text in files.items():
        try:
            campaigns[name] = parse(text, where=name, review=review)
        except InvalidDefinition as error:
            refused.append(str(error))
    if refused:
        raise InvalidDefinition("\n".join(refused))
    _check_together(campaigns)
    return list(campaigns.values())


def _check_together(campaigns: Mapping[str, Campaign]) -> None:
    """Rules across the files of one folder."""
    by_id: dict[str, str] = {}
    for where, campaign in campaigns.items():
        if campaign.id in by_id:
            raise InvalidDefinition(
                f"{where}: id {campaign.id!r} is already used by {by_id[campaign.id]}; choose another"
            )
        by_id[campaign.id] = where
    for where, campaign in campaigns.items():
        if campaign.pair_with is None:
            continue
        mate = by_id.get(campaign.pair_with)
        if mate is None or campaigns[mate].pair_with != campaign.id:
            problem = "does not name it back" if mate else "does not exist"
            raise InvalidDefinition(
                f"{where}: pair_with is {campaign.pair_with!r}, which {problem}; both of a pair must name each other"
            )
