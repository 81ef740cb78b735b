"""What a campaign is: which moment of an order's life it asks about, whom, and how it stands aside for others."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from services.dispatcher.domain.durations import Duration
from shared import definitions
from shared.contracts.campaigns import CampaignTexts
from shared.contracts.types import Label
from shared.definitions import InvalidDefinition

CampaignMilestone = Literal["order.placed", "order.paid", "order.shipped", "order.delivered", "order.promised"]
"""``order.promised`` is the moment delivery is promised for; the others are when it happened."""

Stop = Literal["order.cancelled", "order.refunded", "order.returned"]
STOPS: tuple[Stop, ...] = ("order.cancelled", "order.refunded", "order.returned")

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
"""Segments taken of every survey; a configured pair names two, an audience these or ``attributes.<name>``."""

ATTRIBUTE = "attributes."

MAX_DEFINITION_BYTES = 64 * 1024
"""Of YAML or JSON."""

MAX_CAMPAIGNS = 200
"""As many as an installation may have: every batch reads them all."""

_ID_RULE = r"^[a-z0-9][a-z0-9-]{0,62}$"


def _listed(value: object) -> object:
    return [value] if isinstance(value, str | dict) else value


class _Definition(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Trigger(_Definition):
    """``delay`` after the milestone ``after``."""

    after: CampaignMilestone
    delay: Duration = timedelta(0)


class Campaign(_Definition):
    """One reason to ask, as its YAML file defines it. Lengths of time are exact, not calendar days.

    Either ``trigger`` (about an order; the earliest of several wins) or ``every`` (about the customer, again and
    again). ``priority`` 1 goes first.
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
    """A customer asked in any campaign within this length of time is not asked now. Absent: the setting."""
    pair_with: Annotated[str, Field(pattern=_ID_RULE)] | None = None
    """The other campaign which, about the same order, counts as one survey with this one; both must name each other."""
    valid_for: Duration = timedelta(days=14)
    """How long after it was due the question still makes sense."""
    look_ahead: Duration = timedelta(days=7)
    """Stands aside for a more important campaign that is due for the same customer within this length of time."""
    audience: Annotated[dict[Label, Annotated[tuple[Label, ...], BeforeValidator(_listed)]], Field(max_length=10)] = {}
    """Segment dimension to the wanted values; each dimension must match. Empty: everybody."""
    channel: Literal["email"] = "email"
    subject_of_question: Literal["brand", "service", "product"] = "brand"
    default_locale: Label = "en"
    texts: Annotated[dict[Label, CampaignTexts], Field(max_length=50)] = {}
    answer_within_days: Annotated[int, Field(ge=1, le=3_650)] = 30

    @model_validator(mode="after")
    def _has_one_kind_of_moment(self) -> "Campaign":
        if bool(self.trigger) == (self.every is not None):
            raise ValueError("give either trigger (about an order) or every (about the customer), and not both")
        if self.every is not None and self.every < timedelta(days=1):
            raise ValueError('every must be at least "1 day"')
        if self.pair_with is not None and (self.every is not None or self.pair_with == self.id):
            raise ValueError(
                "pair_with is for two campaigns about orders: name another one, and only in a campaign with a trigger"
            )
        return self

    @field_validator("audience")
    @classmethod
    def _names_dimensions(cls, audience: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        for dimension in audience:
            if dimension not in DIMENSIONS and not dimension.startswith(ATTRIBUTE):
                raise ValueError(
                    f"{dimension!r} is not a segment; write one of {', '.join(DIMENSIONS)}, or {ATTRIBUTE}<name>"
                )
        return audience

    def quiet_for(self, default: timedelta) -> timedelta:
        return default if self.quiet_period is None else self.quiet_period


def are_pair(one: Campaign, other: Campaign) -> bool:
    """Whether surveys of the two about one order count as one. It takes both of them to say so."""
    return one.pair_with == other.id and other.pair_with == one.id


def parse(text: str, where: str) -> Campaign:
    """The campaign in a YAML (or JSON) text. ``where`` is its file, for the message of InvalidDefinition."""
    return definitions.parse(text, Campaign, where=where, max_bytes=MAX_DEFINITION_BYTES)


def parse_folder(files: Mapping[str, str]) -> list[Campaign]:
    """The campaigns of one folder, from the text of each file by its name. Raises InvalidDefinition."""
    campaigns = {name: parse(text, name) for name, text in files.items()}
    _check_together(campaigns)
    return list(campaigns.values())


def _check_together(campaigns: Mapping[str, Campaign]) -> None:
    """Rules between the files of one folder."""
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
            problem = "does not name it in turn" if mate else "does not exist"
            raise InvalidDefinition(
                f"{where}: pair_with is {campaign.pair_with!r}, which {problem}; both of a pair must name each other"
            )


def asking_about_orders(campaigns: Iterable[Campaign]) -> tuple[Campaign, ...]:
    return tuple(campaign for campaign in campaigns if campaign.trigger)


def recurring(campaigns: Iterable[Campaign]) -> tuple[Campaign, ...]:
    return tuple(campaign for campaign in campaigns if campaign.every is not None)
