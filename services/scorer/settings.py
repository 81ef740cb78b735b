"""What the scorer needs to know beyond every service's settings."""

from typing import Annotated

from pydantic import Field

from shared.settings import ServiceSettings


class ScorerSettings(ServiceSettings):
    http_port: int = Field(8003, ge=0, le=65_535, description="Port the HTTP server listens on.")
    minimum_answers: int = Field(
        10, ge=1, le=10_000, description="A score of fewer answers is marked as held back: too few to speak of."
    )
    publish_seconds: Annotated[float, Field(gt=0, le=60)] = Field(
        0.5, description="Scores that changed are published together this often."
    )
    comments_kept: int = Field(1_000, ge=0, le=100_000, description="The newest comments the dashboard can show.")
    stream_clients: int = Field(200, ge=1, le=10_000, description="Most live streams one process serves at once.")
