"""The scorer's settings, beyond those of every service."""

from typing import Annotated

from pydantic import Field

from shared.settings import ServiceSettings


class ScorerSettings(ServiceSettings):
    http_port: int = Field(8003, ge=0, le=65_535, description="Port the HTTP server listens on.")
    minimum_answers: int = Field(
        10, ge=1, le=10_000, description="An NPS of fewer answers is marked as held back: too few to be meaningful."
    )
    publish_seconds: Annotated[float, Field(gt=0, le=60)] = Field(
        0.5, description="Seconds between publications of changed NPS."
    )
    comments_kept: int = Field(
        1_000, ge=0, le=100_000, description="Number of newest comments kept for the dashboard; 0 = none."
    )
    comments_kept_days: int = Field(
        365, ge=1, le=36_500, description="Days for which a comment is kept for the dashboard, from when it was given."
    )
    surveys_kept_days: int = Field(
        400,
        ge=31,
        le=3_650,
        description="Days for which the scorer can still tell which survey was delivered or answered, for the response "
        "rate; longer than any campaign's valid_for. Counts are kept.",
    )
    stream_clients: int = Field(200, ge=1, le=10_000, description="Maximum number of live streams per process.")
