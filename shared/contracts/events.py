"""An event to publish. Do not construct one directly: each contract module has a factory ``event`` for its own."""

from dataclasses import dataclass
from datetime import datetime

from shared.contracts.types import Contract


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """``topic`` is the catalogue's name, without the installation's prefix; ``time`` has an offset.

    ``event_id`` must be the same whenever the event is published again (``contracts.identity``), because consumers
    deduplicate by it.
    """

    topic: str
    key: str
    event_id: str
    type: str
    time: datetime
    body: Contract
    traceparent: str | None = None
