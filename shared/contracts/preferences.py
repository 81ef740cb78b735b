"""``customers.preferences``: which channels a customer allows, and whether their addresses still work."""

from typing import Annotated, Literal

from pydantic import Field

from shared.contracts import identity
from shared.contracts.events import Event
from shared.contracts.sends import Channel
from shared.contracts.types import Contract, Identifier, Instant, ShortText

TOPIC = "customers.preferences"

UNSUBSCRIBED = "preference.unsubscribed"
RESUBSCRIBED = "preference.resubscribed"
BOUNCED = "preference.bounced"
COMPLAINED = "preference.complained"
ERASED = "preference.erased"

ChannelState = Literal["allowed", "unsubscribed", "bounced", "complained"]
OPTED_OUT: tuple[ChannelState, ...] = ("unsubscribed", "complained")
"""The states in which the customer asked not to be written to."""


class ChannelPreference(Contract):
    """``address`` is the one the state applies to: after a bounce, a new address of the same customer is allowed again;
    after an unsubscription it is not. A bounce or a complaint concerns the mailbox, whoever's it is: ``address_digest``
    recognises it without naming it (``shared.digests.CustomerDigests.mailbox``), and ``address`` is then absent."""

    channel: Channel
    state: ChannelState
    address: ShortText | None = None
    address_digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    changed_at: Instant


class Preference(Contract):
    """The state of every channel, so that the latest record is self-contained. ``revision`` increases per customer."""

    customer_id: Identifier
    revision: Annotated[int, Field(ge=1)]
    channels: Annotated[list[ChannelPreference], Field(max_length=10)] = []
    reason: ShortText | None = None
    occurred_at: Instant


def event(kind: str, body: Preference, *, traceparent: str | None = None) -> Event:
    """The event that publishes one revision of a customer's preferences; ``kind`` (such as
    ``preference.unsubscribed``) is what led to it."""
    return Event(
        topic=TOPIC,
        key=body.customer_id,
        event_id=identity.event_id(kind, body.customer_id, body.revision),
        type=kind,
        time=body.occurred_at,
        body=body,
        traceparent=traceparent,
    )
