"""What the alerter needs to know beyond every service's settings."""

from pathlib import Path

from pydantic import Field

from shared.settings import ServiceSettings

DEFAULT_ROUTING = Path(__file__).parent / "routing" / "default.yaml"


class AlerterSettings(ServiceSettings):
    http_port: int = Field(8004, ge=0, le=65_535, description="Port the HTTP server listens on.")
    routing_file: Path = Field(DEFAULT_ROUTING, description="The routing rules: which queue, how soon, what to do.")
    customer_history_days: int = Field(
        400, ge=1, le=3_650, description="How long orders and surveys are kept to show a customer's history."
    )
    inbox_refresh_seconds: float = Field(4, gt=0, le=300, description="How often an open inbox looks for what is new.")
