"""What is known about a customer across orders: how to reach them, what they allow, since when they order."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import get_args

from services.dispatcher.domain.reasons import Reason
from shared.contracts.orders import OrderEvent
from shared.contracts.preferences import OPTED_OUT, ChannelPreference, ChannelState, Preference
from shared.erasures import is_erased
from shared.last_write_wins import LastWrites, merge, newer_than, text_of
from shared.mail.addresses import comparable, is_usable
from shared.moments import earliest

_STATES = get_args(ChannelState)


# Not frozen, although never changed: creating a frozen instance takes three times as long.
@dataclass(slots=True, kw_only=True)
class Customer:
    """``details`` has the last write of email, name, locale, timezone, country, region and tier: all personal data.

    ``first_event_at`` is the time of the first order event we know of, ``since`` the earliest first order reported by
    the shop. Times are in UTC. ``mailboxes`` are short digests of the email addresses there have been, as long as they
    are not so many that the id must be that of ``several_people``.
    """

    customer_id: str
    details: LastWrites = field(default_factory=dict)
    first_event_at: datetime | None = None
    since: datetime | None = None
    preference_revision: int = 0
    channels: Mapping[str, ChannelPreference] = field(default_factory=dict)
    erased_at: datetime | None = None
    mailboxes: frozenset[str] = frozenset()
    several_people: bool = False

    def was_erased_by(self, moment: datetime | None) -> bool:
        """Whether ``moment`` is not after the customer's erasure, so that what happened then must not be stored."""
        return self.erased_at is not None and is_erased(moment, erased_at=self.erased_at)

    def detail(self, name: str) -> str | None:
        return text_of(self.details, name)

    def unreachable_by(self, channel: str, suppressed: Mapping[str, ChannelState]) -> Reason | None:
        """Why no survey may or can be sent to this customer by ``channel``; None when one can.

        A bounce concerns an address: a new one has not bounced. An unsubscription concerns the person, and their
        mailbox: ``suppressed`` has by channel what was said about it, or before an erasure (``suppressions.py``).
        """
        if self.several_people:
            return Reason.SHARED_ID
        preference = self.channels.get(channel)
        address = self.detail("email")
        listed = suppressed.get(channel)
        for state in (None if preference is None else preference.state, listed):
            if state in OPTED_OUT:
                return Reason.UNSUBSCRIBED if state == "unsubscribed" else Reason.COMPLAINED
            if state is not None and state not in _STATES:
                # A newer release stored it: it may be another way of saying no.
                return Reason.UNSUBSCRIBED
        if address is None or not address.strip():
            return Reason.ERASED if self.erased_at is not None else Reason.NO_ADDRESS
        if not is_usable(address):
            return Reason.UNUSABLE_ADDRESS
        if listed == "bounced" or (preference is not None and _has_bounced(preference, address)):
            return Reason.BOUNCED
        return None


def _has_bounced(preference: ChannelPreference, address: str) -> bool:
    # With a digest of the address, the suppression list decides.
    if preference.state != "bounced" or preference.address_digest is not None:
        return False
    return preference.address is None or comparable(preference.address) == comparable(address)


def fold(
    customer: Customer,
    event: OrderEvent,
    order_began_at: datetime | None,
    mailbox: str | None = None,
    at: datetime | None = None,
) -> Customer:
    """``customer`` after an event of an order of theirs, whose first event was at ``order_began_at``. Its details were
    said ``at`` that time, by default when it happened.

    ``mailbox`` is a short digest of the address it names.

    An order from before their erasure is what they asked to be forgotten, whatever still happens to it: it tells
    nothing about them.
    """
    if customer.was_erased_by(order_began_at):
        return customer
    described = event.customer
    details = {
        "email": described.email or None,
        "name": described.name or None,
        "locale": described.locale,
        "timezone": described.timezone,
        "country": described.country,
        "region": described.region,
        "tier": described.tier,
    }
    at = at or event.occurred_at
    mailboxes = customer.mailboxes
    if mailbox is not None and mailbox not in mailboxes:
        mailboxes |= {mailbox}
    # As ``replace``, which takes longer than everything else here.
    return Customer(
        customer_id=customer.customer_id,
        details=merge(customer.details, details, at),
        first_event_at=earliest(customer.first_event_at, at),
        since=earliest(customer.since, described.first_order_at),
        preference_revision=customer.preference_revision,
        channels=customer.channels,
        erased_at=customer.erased_at,
        mailboxes=mailboxes,
        several_people=customer.several_people,
    )


def prefer(customer: Customer, preference: Preference) -> Customer:
    """``customer`` with every channel's state from ``preference``, unless a newer revision is known."""
    if preference.revision <= customer.preference_revision:
        return customer
    return replace(
        customer,
        preference_revision=preference.revision,
        channels={entry.channel: entry for entry in preference.channels},
    )


def as_several_people(customer: Customer) -> Customer:
    """``customer`` once the id turned out to be shared: whose details they are is unknown."""
    return replace(without_details(customer), mailboxes=frozenset(), several_people=True)


def without_details(customer: Customer) -> Customer:
    """``customer`` when some details may be from an order that, as it turns out, began before their erasure.

    Which ones they are is not recorded, so none are kept; the next event of a newer order brings back its own.
    """
    return replace(customer, details={}, first_event_at=None, since=None)


def erase(customer: Customer, at: datetime, *, older_orders_went_on: bool = False) -> Customer:
    """``customer`` without anything known up to ``at``.

    ``older_orders_went_on``: an order from before ``at`` has had an event since, so that what was written since may be
    that order's.
    """
    if customer.erased_at is not None and customer.erased_at >= at:
        return customer
    if older_orders_went_on:
        customer = without_details(customer)
    first = customer.first_event_at
    return replace(
        customer,
        details=newer_than(customer.details, at),
        first_event_at=None if is_erased(first, erased_at=at) else first,
        since=None,
        mailboxes=frozenset(),
        channels={name: entry.model_copy(update={"address": None}) for name, entry in customer.channels.items()},
        erased_at=at,
    )
