"""What a customer allows on each channel, and how a wish changes it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from shared.contracts.preferences import ChannelPreference
from shared.contracts.sends import Channel

Wish = Literal["unsubscribe", "resubscribe"]

SURVEY_CHANNELS: tuple[Channel, ...] = ("email", "sms", "webhook")
"""Where surveys are sent to somebody. Who wants no more surveys means all of these."""


def channels_after(
    channels: Sequence[ChannelPreference], wish: Wish, address: str | None, address_of: Channel, now: datetime
) -> list[ChannelPreference] | None:
    """Every channel's state after the wish, in a fixed order; None when it already is so.

    ``address`` is the one on the channel ``address_of``, through which the wish came. An unsubscription also covers
    an address that bounced, because it holds for the next one too. Resubscribing takes back unsubscriptions and
    nothing else: who complained is not written to again.
    """
    states: dict[Channel, ChannelPreference] = {preference.channel: preference for preference in channels}
    after = dict(states)
    for channel in SURVEY_CHANNELS:
        before = states.get(channel)
        own = address if channel == address_of else before.address if before else None
        state = before.state if before else "allowed"
        if wish == "unsubscribe" and state in ("allowed", "bounced"):
            after[channel] = ChannelPreference(channel=channel, state="unsubscribed", address=own, changed_at=now)
        elif wish == "resubscribe" and state == "unsubscribed":
            after[channel] = ChannelPreference(channel=channel, state="allowed", address=own, changed_at=now)
    return None if after == states else [after[channel] for channel in sorted(after)]


def wished_since(channels: Sequence[ChannelPreference], moment: datetime) -> bool:
    """Whether the customer made another wish after ``moment``. A bounce or a complaint is none."""
    return any(
        preference.state in ("allowed", "unsubscribed") and preference.changed_at > moment for preference in channels
    )


def is_unsubscribed(channels: Sequence[ChannelPreference], channel: Channel) -> bool:
    """Whether no survey goes to this channel any more by the customer's own wish."""
    return any(
        preference.channel == channel and preference.state in ("unsubscribed", "complained") for preference in channels
    )
