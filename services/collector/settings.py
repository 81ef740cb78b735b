"""The collector's settings, beyond those of every service."""

from pydantic import Field

from shared.settings import ServiceSettings


class CollectorSettings(ServiceSettings):
    http_port: int = Field(8002, ge=0, le=65_535, description="Port the HTTP server listens on.")
    send_retention_days: int = Field(
        90,
        ge=1,
        le=3_650,
        description="Days an unsubscribe link works after its survey closed; then the send is deleted.",
    )
    prune_seconds: float = Field(60, gt=0, description="Real seconds between deletions of sends past their retention.")
    prune_batch_size: int = Field(
        2_000, ge=1, le=50_000, description="Maximum number of sends, or of pending preferences, deleted at once."
    )
