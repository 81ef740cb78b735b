"""``surveys.deliveries``: what happened to a survey on its way to the customer."""

from shared.contracts import identity
from shared.contracts.events import Event
from shared.contracts.sends import Channel
from shared.contracts.types import Contract, Identifier, Instant, Label, ShortText

TOPIC = "surveys.deliveries"

ACCEPTED = "delivery.accepted"
DELIVERED = "delivery.delivered"
BOUNCED = "delivery.bounced"
COMPLAINED = "delivery.complained"
FAILED = "delivery.failed"
OPENED = "delivery.opened"
CLICKED = "delivery.clicked"


class Delivery(Contract):
    """``reason`` is a code or the server's short reply, never the address. ``campaign`` is for counting by campaign."""

    send_id: Identifier
    channel: Channel
    provider: Label
    occurred_at: Instant
    campaign: Identifier | None = None
    reason: ShortText | None = None


def event(kind: str, body: Delivery, *, traceparent: str | None = None) -> Event:
    """The event of ``kind`` (such as ``delivery.bounced``) for a send; each kind counts once per send."""
    return Event(
        topic=TOPIC,
        key=body.send_id,
        event_id=identity.event_id(kind, body.send_id),
        type=kind,
        time=body.occurred_at,
        body=body,
        traceparent=traceparent,
    )
