"""``customers.preferences``: what a customer allows, and whether an address still works."""

from typing import Annotated, Literal

from pydantic import Field

from shared.contracts.sends import Channel
from shared.contracts.types import Contract, Identifier, Instant, ShortText

UNSUBSCRIBED = "preference.unsubscribed"
RESUBSCRIBED = "preference.resubscribed"
BOUNCED = "preference.bounced"
COMPLAINED = "preference.complained"
ERASED = "preference.erased"

ChannelState = Literal["allowed", "unsubscribed", "bounced", "complained"]


class ChannelPreference(Contract):
    """``address`` is the one the state is about: a new address of the same customer starts as allowed again after a
    bounce, but not after an unsubscription."""

    channel: Channel
    state: ChannelState
    address: ShortText | None = None
    changed_at: Instant


class Preference(Contract):
    """Every channel's state at once, so that the newest record alone tells all. ``revision`` grows per customer."""

    customer_id: Identifier
    revision: Annotated[int, Field(ge=1)]
    channels: Annotated[list[ChannelPreference], Field(max_length=10)] = []
    reason: ShortText | None = None
    occurred_at: Instant
