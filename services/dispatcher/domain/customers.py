"""What is known about a customer across orders: how to reach them, what they allow, since when they order."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from services.dispatcher.domain.reasons import Reason
from shared.contracts.orders import OrderEvent
from shared.contracts.preferences import OPTED_OUT, ChannelPreference, Preference
from shared.erasures import is_erased
from shared.last_write_wins import LastWrites, merge, newer_than, text_of
from shared.moments import earliest, latest


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """``details`` has the last write of email, name, locale, timezone, country, region and tier: all personal data.

    ``first_event_at`` is the time of the first order event we know of, ``since`` the earliest first order reported by
    the shop. Times are in UTC.
    """

    customer_id: str
    details: LastWrites = field(default_factory=dict)
    first_event_at: datetime | None = None
    since: datetime | None = None
    preference_revision: int = 0
    channels: Mapping[str, ChannelPreference] = field(default_factory=dict)
    erased_at: datetime | None = None
    last_answered_at: datetime | None = None

    def was_erased_by(self, moment: datetime | None) -> bool:
        """Whether ``moment`` is not after the customer's erasure, so that what happened then must not be stored."""
        return is_erased(moment, erased_at=self.erased_at)

    def detail(self, name: str) -> str | None:
        return text_of(self.details, name)

    def unreachable_by(self, channel: str) -> Reason | None:
        """Why no survey may or can be sent to this customer by ``channel``; None when one can.

        A bounce concerns an address: a new one has not bounced. An unsubscription concerns the person.
        """
        preference = self.channels.get(channel)
        address = self.detail("email")
        if preference is not None and preference.state in OPTED_OUT:
            return Reason.UNSUBSCRIBED if preference.state == "unsubscribed" else Reason.COMPLAINED
        if address is None or "@" not in address:
            return Reason.ERASED if self.erased_at is not None else Reason.NO_ADDRESS
        if preference is not None and preference.state == "bounced":
            same = preference.address is None or preference.address.casefold() == address.casefold()
            return Reason.BOUNCED if same else None
        return None


def fold(customer: Customer, event: OrderEvent) -> Customer:
    """``customer`` after an order event that was theirs; unchanged by one from before their erasure."""
    if customer.was_erased_by(event.occurred_at):
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
    return replace(
        customer,
        details=merge(customer.details, details, event.occurred_at),
        first_event_at=earliest(customer.first_event_at, event.occurred_at),
        since=earliest(customer.since, described.first_order_at),
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


def answered(customer: Customer, at: datetime) -> Customer:
    """``customer`` after an answer given ``at`` that time; unchanged by one from before their erasure."""
    if customer.was_erased_by(at):
        return customer
    return replace(customer, last_answered_at=latest(customer.last_answered_at, at))


def erase(customer: Customer, at: datetime) -> Customer:
    """``customer`` without anything known up to ``at``."""
    if customer.erased_at is not None and customer.erased_at >= at:
        return customer
    first = customer.first_event_at
    return replace(
        customer,
        details=newer_than(customer.details, at),
        first_event_at=None if is_erased(first, erased_at=at) else first,
        since=None,
        last_answered_at=None,
        channels={name: entry.model_copy(update={"address": None}) for name, entry in customer.channels.items()},
        erased_at=at,
    )
