"""What a customer allows on each channel, and how unsubscribing or resubscribing changes it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from shared.contracts import deliveries
from shared.contracts.preferences import (
    BOUNCED,
    COMPLAINED,
    OPTED_OUT,
    RESUBSCRIBED,
    UNSUBSCRIBED,
    ChannelPreference,
    ChannelState,
)
from shared.contracts.sends import Channel

PreferenceChange = Literal["unsubscribe", "resubscribe", "bounce", "complain"]
"""The first two are the customer's own; the others come with what became of a survey."""

KINDS: dict[PreferenceChange, str] = {
    "unsubscribe": UNSUBSCRIBED,
    "resubscribe": RESUBSCRIBED,
    "bounce": BOUNCED,
    "complain": COMPLAINED,
}
"""The event type of each change."""

DELIVERY_CHANGES: dict[str, PreferenceChange] = {deliveries.BOUNCED: "bounce", deliveries.COMPLAINED: "complain"}
"""What follows for the customer from each type of delivery."""

CUSTOMERS_OWN: tuple[PreferenceChange, ...] = ("unsubscribe", "resubscribe")

_STATES: dict[PreferenceChange, ChannelState] = {"bounce": "bounced", "complain": "complained"}

SURVEY_CHANNELS: tuple[Channel, ...] = ("email", "sms", "webhook")
"""The channels surveys are sent through. Unsubscribing covers all of them."""


@dataclass(frozen=True, slots=True)
class Preferences:
    """Every channel's state of one customer, at ``revision``."""

    revision: int
    channels: list[ChannelPreference]


@dataclass(frozen=True, slots=True, kw_only=True)
class SendRecipient:
    """The customer a survey was sent to, and the address on its channel."""

    customer_id: str
    channel: Channel
    address: str | None


@dataclass(frozen=True, slots=True)
class PendingPreference:
    """A change requested through the link of a send that is not known here yet."""

    send_id: str
    change: PreferenceChange
    requested_at: datetime


@dataclass(frozen=True, slots=True)
class RequestedChange:
    """What one customer requested, when, and through which address."""

    recipient: SendRecipient
    change: PreferenceChange
    requested_at: datetime
    was_pending: bool = False
    """It waited for its send: a later change by the customer takes precedence."""
    address_digest: str | None = None
    """Of the mailbox that a bounce or a complaint concerns."""


def preferences_after(before: Preferences, requested: RequestedChange) -> Preferences | None:
    """The preferences after the change, one revision higher; None when it changes nothing, or was pending and has been
    superseded by a later change of the customer."""
    if requested.was_pending and changed_by_customer_since(before.channels, requested.requested_at):
        return None
    channels = channels_after(
        before.channels,
        requested.change,
        channel=requested.recipient.channel,
        address=requested.recipient.address,
        address_digest=requested.address_digest,
        now=requested.requested_at,
    )
    return None if channels is None else Preferences(before.revision + 1, channels)


def channels_after(
    channels: Sequence[ChannelPreference],
    change: PreferenceChange,
    *,
    channel: Channel,
    address: str | None,
    address_digest: str | None = None,
    now: datetime,
) -> list[ChannelPreference] | None:
    """Every channel's state after the change, in a fixed order; None when nothing changes.

    ``channel`` and ``address`` are those of the survey through which the change was requested. Unsubscribing also
    covers an address that bounced, because it applies to the next address too. Resubscribing undoes unsubscriptions and
    nothing else: a customer who complained is not contacted again.

    A bounce or a complaint concerns the mailbox with that digest, once. A bounce undoes no opting out.
    """
    states: dict[Channel, ChannelPreference] = {preference.channel: preference for preference in channels}
    after = dict(states)
    if (reported := _STATES.get(change)) is not None:
        known = states.get(channel)
        is_known = known is not None and (known.state, known.address_digest) == (reported, address_digest)
        if not is_known and not (reported == "bounced" and known is not None and known.state in OPTED_OUT):
            after[channel] = ChannelPreference(
                channel=channel, state=reported, address_digest=address_digest, changed_at=now
            )
        return None if after == states else [after[each] for each in sorted(after)]
    for each in SURVEY_CHANNELS:
        before = states.get(each)
        own = address if each == channel else before.address if before else None
        state = before.state if before else "allowed"
        if change == "unsubscribe" and state in ("allowed", "bounced"):
            after[each] = ChannelPreference(channel=each, state="unsubscribed", address=own, changed_at=now)
        elif change == "resubscribe" and state == "unsubscribed":
            after[each] = ChannelPreference(channel=each, state="allowed", address=own, changed_at=now)
    return None if after == states else [after[each] for each in sorted(after)]


def changed_by_customer_since(channels: Sequence[ChannelPreference], moment: datetime) -> bool:
    """Whether the customer unsubscribed or resubscribed after ``moment``. Bounces and complaints do not count."""
    return any(
        preference.state in ("allowed", "unsubscribed") and preference.changed_at > moment for preference in channels
    )


def is_unsubscribed(channels: Sequence[ChannelPreference], channel: Channel) -> bool:
    """Whether this channel is opted out because the customer unsubscribed or complained."""
    return any(preference.channel == channel and preference.state in OPTED_OUT for preference in channels)
