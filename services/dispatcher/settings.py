"""The dispatcher's settings, beyond those of every service, and the campaign files."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from services.dispatcher.domain.campaign_review import mistakes
from services.dispatcher.domain.campaigns import MAX_CAMPAIGNS, Campaign, parse_folder
from services.dispatcher.domain.segments import Segmentation, parse_pairs, parse_value_bands
from shared.definitions import InvalidDefinition, read_file
from shared.kafka_settings import PREFIX
from shared.settings import ServiceSettings

SHIPPED_CAMPAIGNS = Path(__file__).parent / "campaigns"

_SETTING = PREFIX + "CAMPAIGNS_DIR"


class DispatcherSettings(ServiceSettings):
    http_port: int = Field(8001, ge=0, le=65_535, description="Port the HTTP server listens on.")
    quiet_period_days: int = Field(
        90,
        ge=0,
        le=3_650,
        description="Days without another survey after one was sent, unless a campaign sets its own quiet period.",
    )
    addresses_per_customer: int = Field(
        5,
        ge=1,
        le=100,
        description="Maximum email addresses of one customer id; with more, it is several people's, told by address.",
    )
    customer_retention_days: int = Field(
        1_095,
        ge=30,
        le=36_500,
        description="Days after the last event or survey of a customer until everything about them is deleted.",
    )
    segment_pairs: str = Field(
        "", description="Pairs of dimensions to segment by together, such as country+tier,region+category."
    )
    order_value_bands: str = Field(
        "*:50,100,250",
        description="Limits of the order value bands by currency, * for any other: BRL:100,300;NOK:500,1000",
    )
    campaigns_dir: Path = Field(
        SHIPPED_CAMPAIGNS, validate_default=True, description="Directory of the campaign YAML files."
    )
    timer_batch_size: int = Field(500, ge=1, le=10_000, description="Maximum due timers per transaction.")
    timer_seconds: Annotated[float, Field(gt=0, le=60)] = Field(
        0.1, description="Real seconds between checks for due timers."
    )

    @field_validator("segment_pairs")
    @classmethod
    def _readable_pairs(cls, value: str) -> str:
        parse_pairs(value)
        return value

    @field_validator("order_value_bands")
    @classmethod
    def _readable_bands(cls, value: str) -> str:
        parse_value_bands(value)
        return value

    @field_validator("campaigns_dir")
    @classmethod
    def _campaigns_without_mistakes(cls, value: Path, info: ValidationInfo) -> Path:
        # The settings above, which campaigns may refer to, if they are right themselves.
        pairs, bands = info.data.get("segment_pairs"), info.data.get("order_value_bands")
        known = None if pairs is None or bands is None else Segmentation(parse_pairs(pairs), parse_value_bands(bands))
        read_campaigns(value, segmentation=known)
        return value

    @property
    def campaigns(self) -> list[Campaign]:
        """As currently defined by their files."""
        return read_campaigns(self.campaigns_dir)

    @property
    def quiet_period(self) -> timedelta:
        return timedelta(days=self.quiet_period_days)

    @property
    def segmentation(self) -> Segmentation:
        return Segmentation(parse_pairs(self.segment_pairs), parse_value_bands(self.order_value_bands))


def read_campaigns(folder: Path, *, segmentation: Segmentation | None = None) -> list[Campaign]:
    """The campaigns in the folder's ``*.yaml`` files, by file name. Raises InvalidDefinition; with ``segmentation``,
    also for what could never match or be filled."""
    if not folder.is_dir():
        raise InvalidDefinition(f"{str(folder)!r} is not a directory; {_SETTING} names the one with the campaigns")
    files = sorted(folder.glob("*.yaml"))
    if not files:
        raise InvalidDefinition(
            f"{folder}: has no *.yaml file; {_SETTING} names the directory of the campaigns, one file each"
        )
    if len(files) > MAX_CAMPAIGNS:
        raise InvalidDefinition(
            f"{folder}: has {len(files)} files; the maximum is {MAX_CAMPAIGNS} campaigns in {_SETTING}"
        )
    texts = {file.name: read_file(file, setting=_SETTING) for file in files}
    if segmentation is None:
        return parse_folder(texts)
    return parse_folder(texts, review=lambda campaign: mistakes(campaign, segmentation))
