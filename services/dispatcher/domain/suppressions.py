"""The suppression list: what people said about a mailbox, and what outlives their erasure.

It has no addresses and no customer ids, only keyed digests of them, so that an erasure leaves it as it is: who asked
not to be written to is still not written to if the shop sends their address again, under whichever customer id.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from shared.contracts.preferences import OPTED_OUT, ChannelState, Preference
from shared.digests import CustomerDigests


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppression:
    """What was said at ``changed_at`` about ``channel`` of the customer or mailbox with this digest.

    Whatever order they arrive in, a complaint counts for ever, and of everything else the last word.
    """

    digest: str
    channel: str
    state: ChannelState
    changed_at: datetime


def said(preference: Preference, *, email: str | None, digests: CustomerDigests) -> list[Suppression]:
    """What a preference says. ``email`` is the customer's known address, for one that names none.

    A bounce concerns only the address it names; everything else concerns the customer, too.
    """
    found = []
    for entry in preference.channels:
        about = []
        address, mailbox = entry.address, entry.address_digest
        if entry.state != "bounced":
            about.append(digests.digest(preference.customer_id).hex())
            if address is None and entry.channel == "email":
                address = email
        if mailbox is None and address:
            mailbox = digests.mailbox(address)
        if mailbox is not None:
            about.append(mailbox)
        found += [
            Suppression(digest=digest, channel=entry.channel, state=entry.state, changed_at=entry.changed_at)
            for digest in about
        ]
    return found


def digests_of(customer_id: str, address: str | None, digests: CustomerDigests) -> tuple[str, ...]:
    """The digests under which something may have been said that holds for this customer at this address."""
    of_customer = digests.digest(customer_id).hex()
    return (of_customer, digests.mailbox(address)) if address else (of_customer,)


def by_channel(listed: Mapping[str, Mapping[str, ChannelState]], about: Iterable[str]) -> Mapping[str, ChannelState]:
    """The states that forbid writing, by channel, among those ``listed`` by digest; an opt-out outranks a bounce."""
    found: dict[str, ChannelState] = {}
    for digest in about:
        for channel, state in listed.get(digest, {}).items():
            if state != "allowed" and _weight(state) > _weight(found.get(channel, "allowed")):
                found[channel] = state
    return found


def _weight(state: ChannelState) -> int:
    return _BY_WEIGHT.index(state)


_BY_WEIGHT: tuple[ChannelState, ...] = ("allowed", "bounced", *OPTED_OUT)
