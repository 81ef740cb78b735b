"""``surveys.deliveries``: what became of a survey on its way to the customer."""

from shared.contracts.sends import Channel
from shared.contracts.types import Contract, Identifier, Instant, Label, ShortText

ACCEPTED = "delivery.accepted"
DELIVERED = "delivery.delivered"
BOUNCED = "delivery.bounced"
COMPLAINED = "delivery.complained"
FAILED = "delivery.failed"
OPENED = "delivery.opened"
CLICKED = "delivery.clicked"


class Delivery(Contract):
    """``reason`` is a code or a server's short reply, never the address. The campaign and customer let others count."""

    send_id: Identifier
    channel: Channel
    provider: Label
    occurred_at: Instant
    campaign: Identifier | None = None
    reason: ShortText | None = None
