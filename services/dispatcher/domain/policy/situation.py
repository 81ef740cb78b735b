"""The input of a decision: all surveys of one customer, and the view of them that a rule gets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from services.dispatcher.domain.campaigns import Campaign, are_pair
from services.dispatcher.domain.customers import Customer
from services.dispatcher.domain.orders import Order
from services.dispatcher.domain.segments import Segments
from services.dispatcher.domain.timers import Timer
from shared.contracts.preferences import ChannelState


@dataclass(frozen=True, slots=True, kw_only=True)
class PastSend:
    """A survey this customer was sent."""

    campaign: str
    order_id: str | None
    sent_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """All surveys of one customer at one point in time.

    ``due`` are the timers to decide, ``upcoming`` those checked later, ``orders`` (by id) at least those the due ones
    are about, ``history`` at least the sends within the longest quiet period. ``last_ordered_at`` is when the newest
    order that was not cancelled, refunded or returned was placed. ``suppressed`` is what the suppression list says
    about the customer and their address, by channel.
    """

    customer: Customer
    due: Sequence[Timer]
    upcoming: Sequence[Timer]
    orders: Mapping[str, Order]
    history: Sequence[PastSend]
    last_ordered_at: datetime | None = None
    suppressed: Mapping[str, ChannelState] = field(default_factory=dict)

    def order_of(self, timer: Timer) -> Order | None:
        """The order ``timer`` is about; None when there is none, or it is unknown."""
        return None if timer.order_id is None else self.orders.get(timer.order_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class DueSurvey:
    """The input of a rule: one survey that is due at ``now``, and everything it may depend on.

    ``history`` includes what a more important campaign has just sent to the customer. ``campaigns`` are all current
    ones, by id; ``default_quiet_period`` is for campaigns that do not set one.
    """

    timer: Timer
    campaign: Campaign
    customer: Customer
    order: Order | None
    segments: Segments
    history: Sequence[PastSend]
    upcoming: Sequence[Timer]
    last_ordered_at: datetime | None
    suppressed: Mapping[str, ChannelState]
    campaigns: Mapping[str, Campaign]
    default_quiet_period: timedelta
    now: datetime

    def is_one_asking_with(self, *, campaign: str, order_id: str | None) -> bool:
        """Whether another survey counts as one with this one: the other of a declared pair, same order."""
        other = self.campaigns.get(campaign)
        return (
            self.timer.order_id is not None
            and self.timer.order_id == order_id
            and other is not None
            and are_pair(self.campaign, other)
        )
