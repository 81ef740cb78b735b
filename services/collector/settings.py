"""What the collector needs to know beyond what every service does."""

from pydantic import Field

from shared.settings import ServiceSettings


class CollectorSettings(ServiceSettings):
    http_port: int = Field(8002, ge=0, le=65_535, description="Port the HTTP server listens on.")
    send_retention_days: int = Field(
        90, ge=1, le=3_650, description="Days after its link closed that a survey can still be unsubscribed from."
    )
    prune_seconds: float = Field(60, gt=0, description="Real seconds between removals of surveys that are past that.")
    prune_batch_size: int = Field(2_000, ge=1, le=50_000, description="Most surveys one removal takes.")
