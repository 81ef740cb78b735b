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
    stream_clients: int = Field(200, ge=1, le=10_000, description="Maximum number of live streams per process.")
