"""The alerter's settings, beyond those of every service."""

from pathlib import Path

from pydantic import Field

from shared.settings import Positive, ServiceSettings

DEFAULT_ROUTING = Path(__file__).parent / "routing" / "default.yaml"


class AlerterSettings(ServiceSettings):
    http_port: int = Field(8004, ge=0, le=65_535, description="Port the HTTP server listens on.")
    # A person waits for a case.
    consumer_interval_seconds: Positive = Field(
        0.015, le=5, description=ServiceSettings.model_fields["consumer_interval_seconds"].description
    )
    routing_file: Path = Field(
        DEFAULT_ROUTING,
        description="Routing rules: which queue a case goes to, how soon to contact the customer, what to do first.",
    )
    customer_history_days: int = Field(
        400, ge=1, le=3_650, description="Days that orders and surveys are kept for a customer's history."
    )
    case_days: int = Field(
        1_100, ge=90, le=36_500, description="Days that a closed case and its history are kept after its last change."
    )
    inbox_refresh_seconds: float = Field(4, gt=0, le=300, description="Seconds between refreshes of an open inbox.")
