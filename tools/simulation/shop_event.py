"""What a shop publishes about its orders."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ShopEvent:
    """An order event; ``body`` is the JSON object a shop publishes."""

    id: str
    type: str
    occurred_at: datetime
    customer_id: str
    body: Mapping[str, Any]
