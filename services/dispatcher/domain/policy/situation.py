"""What a decision is made on: all that is asked of one customer, and what a rule sees of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.dispatcher.domain.campaigns import Campaign, are_pair
from services.dispatcher.domain.customers import Customer
from services.dispatcher.domain.orders import Order
from services.dispatcher.domain.segments import Segments
from services.dispatcher.domain.timers import Timer


@dataclass(frozen=True, slots=True)
class PastSend:
    """A survey this customer was sent."""

    campaign: str
    order_id: str | None
    sent_at: datetime


@dataclass(frozen=True, slots=True)
class Situation:
    """All that is asked of one customer at one moment.

    ``due`` are the timers to decide, ``upcoming`` those looked at later, ``orders`` (by id) at least those the due
    ones are about, ``history`` at least the sends within the longest quiet period. ``last_ordered_at`` is of the
    newest order that was not cancelled, refunded or returned.
    """

    customer: Customer
    due: Sequence[Timer]
    upcoming: Sequence[Timer]
    orders: Mapping[str, Order]
    history: Sequence[PastSend]
    last_ordered_at: datetime | None = None

    def order_of(self, timer: Timer) -> Order | None:
        """The order ``timer`` is about; None when it is about none, or about one nothing is known of."""
        return None if timer.order_id is None else self.orders.get(timer.order_id)


@dataclass(frozen=True, slots=True)
class DueSurvey:
    """What a rule sees: one survey that is due at ``now``, and everything it may depend on.

    ``history`` includes what was sent to the customer a moment ago, by a more important campaign. ``campaigns`` are
    all in force, by id; ``default_quiet_period`` is that of a campaign without one of its own.
    """

    timer: Timer
    campaign: Campaign
    customer: Customer
    order: Order | None
    segments: Segments
    history: Sequence[PastSend]
    upcoming: Sequence[Timer]
    last_ordered_at: datetime | None
    campaigns: Mapping[str, Campaign]
    default_quiet_period: timedelta
    now: datetime

    def is_one_asking_with(self, campaign: str, order_id: str | None) -> bool:
        """Whether another survey counts as one asking with this one: the other of a declared pair, same order."""
        other = self.campaigns.get(campaign)
        return (
            self.timer.order_id is not None
            and self.timer.order_id == order_id
            and other is not None
            and are_pair(self.campaign, other)
        )
