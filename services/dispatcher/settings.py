"""What the dispatcher needs to know beyond every service's settings."""

from datetime import timedelta
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator

from services.dispatcher.domain.campaigns import DIMENSIONS
from services.dispatcher.domain.segments import Segmentation
from shared.settings import ServiceSettings

SHIPPED_CAMPAIGNS = Path(__file__).parent / "campaigns"


class DispatcherSettings(ServiceSettings):
    http_port: int = Field(8001, ge=0, le=65_535, description="Port the HTTP server listens on.")
    campaigns_dir: Path = Field(SHIPPED_CAMPAIGNS, description="The folder of the campaigns' YAML files.")
    quiet_period_days: int = Field(
        90, ge=0, le=3_650, description="Days a customer is left in peace after a survey, unless a campaign says other."
    )
    segment_pairs: str = Field(
        "", description="Pairs of segments to count as one, such as country+tier,region+category."
    )
    order_value_bands: str = Field(
        "*:50,100,250",
        description="Limits of the order-value segments by currency (* is any other): BRL:100,300;NOK:500,1000",
    )
    timer_batch_size: int = Field(500, ge=1, le=10_000, description="Most timers one transaction decides.")
    timer_seconds: Annotated[float, Field(gt=0, le=60)] = Field(
        0.1, description="Pause between two looks for timers that came due, in real seconds."
    )

    @field_validator("campaigns_dir")
    @classmethod
    def _a_folder(cls, value: Path) -> Path:
        if not value.is_dir():
            raise ValueError(f"{str(value)!r} is no folder")
        return value

    @field_validator("segment_pairs")
    @classmethod
    def _readable_pairs(cls, value: str) -> str:
        _pairs(value)
        return value

    @field_validator("order_value_bands")
    @classmethod
    def _readable_bands(cls, value: str) -> str:
        _bands(value)
        return value

    @property
    def quiet_period(self) -> timedelta:
        return timedelta(days=self.quiet_period_days)

    @property
    def segmentation(self) -> Segmentation:
        return Segmentation(_pairs(self.segment_pairs), _bands(self.order_value_bands))


def _pairs(written: str) -> tuple[tuple[str, str], ...]:
    pairs = []
    for pair in filter(None, (part.strip() for part in written.split(","))):
        one, plus, other = pair.partition("+")
        if not plus or one == other or not {one, other} <= set(DIMENSIONS):
            raise ValueError(f"{pair!r} is no pair of segments; join two of {', '.join(DIMENSIONS)} by +")
        pairs.append((one, other))
    if len(pairs) > 20:
        raise ValueError(f"names {len(pairs)} pairs; 20 is the most")
    return tuple(pairs)


def _bands(written: str) -> dict[str, tuple[Decimal, ...]]:
    bands = {}
    for entry in filter(None, (part.strip() for part in written.split(";"))):
        currency, colon, limits = entry.partition(":")
        try:
            values = tuple(Decimal(limit.strip()) for limit in limits.split(","))
        except InvalidOperation as error:
            raise ValueError(f"{entry!r} must be a currency and numbers, such as BRL:100,300") from error
        ascending = all(low < high for low, high in pairwise(values))
        if (
            not colon
            or not currency
            or not ascending
            or len(values) > 20
            or not all(v.is_finite() and v > 0 for v in values)
        ):
            raise ValueError(f"{entry!r} must be a currency and up to 20 ascending amounts, such as BRL:100,300")
        bands[currency] = values
    return bands
