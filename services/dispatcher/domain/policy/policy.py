"""Whether a survey that came due is sent now, later or never: the contact policy, for one customer at a time.

The caller holds the lock on the customer, so that what is decided on is all there is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from services.dispatcher.domain.campaigns import Campaign, are_pair
from services.dispatcher.domain.customers import Customer
from services.dispatcher.domain.orders import Order
from services.dispatcher.domain.segments import Segmentation, Segments, matches, taken
from services.dispatcher.domain.timers import Timer, ordered_within


@dataclass(frozen=True, slots=True)
class PastSend:
    """A survey this customer was sent."""

    campaign: str
    order_id: str | None
    sent_at: datetime


@dataclass(frozen=True, slots=True)
class Situation:
    """All that is asked of one customer when something comes due.

    ``due`` are timers to decide, ``upcoming`` those due later, ``history`` at least the sends within the longest
    quiet period. ``last_ordered_at`` is of the newest order that was not cancelled, refunded or returned.
    """

    customer: Customer
    due: Sequence[Timer]
    upcoming: Sequence[Timer]
    orders: Mapping[str, Order]
    history: Sequence[PastSend]
    last_ordered_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """``until`` is when a deferred timer is looked at again, or when an expired one could have been sent.

    ``because_of`` is the campaign it waits for or was asked in; ``segments`` are those of a survey sent.
    """

    timer: Timer
    outcome: Literal["sent", "skipped", "deferred"]
    reason: str
    until: datetime | None = None
    because_of: str | None = None
    segments: Segments | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """The campaigns and the settings a decision depends on."""

    campaigns: Mapping[str, Campaign]
    quiet_period: timedelta
    segmentation: Segmentation

    def longest_quiet_period(self) -> timedelta:
        return max((self._quiet(campaign) for campaign in self.campaigns.values()), default=self.quiet_period)

    def longest_look_ahead(self) -> timedelta:
        return max((campaign.look_ahead for campaign in self.campaigns.values()), default=timedelta(0))

    def decide(self, situation: Situation, now: datetime) -> list[Verdict]:
        """A verdict for each due timer, the most important campaign first; what is sent counts for the next."""
        history = list(situation.history)
        verdicts: list[Verdict] = []
        for timer in sorted(situation.due, key=self._turn):
            verdict = self._decide_one(timer, situation, history, now)
            if verdict.outcome == "sent":
                history.append(PastSend(timer.campaign, timer.order_id, now))
            verdicts.append(verdict)
        return verdicts

    def _turn(self, timer: Timer) -> tuple[int, datetime, str]:
        campaign = self.campaigns.get(timer.campaign)
        return (0 if campaign is None else campaign.priority, timer.milestone_at, timer.timer_id)

    def _decide_one(self, timer: Timer, situation: Situation, history: Sequence[PastSend], now: datetime) -> Verdict:
        campaign = self.campaigns.get(timer.campaign)
        if campaign is None or not campaign.active:
            return Verdict(timer, "skipped", "campaign_inactive")
        order = None if timer.order_id is None else situation.orders.get(timer.order_id)
        segments = taken(self.segmentation, campaign, situation.customer, order, now)
        if (reason := self._obstacle(campaign, timer, order, situation, segments, now)) is not None:
            return Verdict(timer, "skipped", reason)
        asked = self._last_asked(campaign, timer, history, now)
        if asked is not None:
            return self._defer(timer, campaign, "quiet_period", asked.sent_at + self._quiet(campaign), asked.campaign)
        first = self._goes_first(campaign, timer, situation, history, now)
        if first is not None:
            return self._defer(timer, campaign, "stands_aside", first.due_at, first.campaign)
        return Verdict(timer, "sent", "due", segments=segments)

    def _obstacle(
        self,
        campaign: Campaign,
        timer: Timer,
        order: Order | None,
        situation: Situation,
        segments: Segments,
        now: datetime,
    ) -> str | None:
        """Why this can never be sent, whoever else was asked."""
        if order is not None and (stop := order.stopped_by(campaign.stop_on)) is not None:
            return stop.replace("order.", "order_")
        if now > timer.milestone_at + campaign.valid_for:
            return "expired"
        unreachable = situation.customer.unreachable_by(campaign.channel)
        if unreachable is not None:
            return unreachable
        if timer.cause == "recurrence" and not ordered_within(campaign, situation.last_ordered_at, now):
            return "no_recent_order"
        if campaign.audience and not matches(campaign.audience, segments, order):
            return "not_in_audience"
        return None

    def _last_asked(
        self, campaign: Campaign, timer: Timer, history: Sequence[PastSend], now: datetime
    ) -> PastSend | None:
        """The latest asking whose quiet period lasts at ``now``; the other of a pair about this order is none."""
        quiet = self._quiet(campaign)
        return max(
            (
                past
                for past in history
                if past.sent_at + quiet > now and not self._one_asking(campaign, timer, past.campaign, past.order_id)
            ),
            key=lambda past: past.sent_at,
            default=None,
        )

    def _goes_first(
        self,
        campaign: Campaign,
        timer: Timer,
        situation: Situation,
        history: Sequence[PastSend],
        now: datetime,
    ) -> Timer | None:
        """The next timer of a more important campaign, if sending now would take its turn away."""
        takers = []
        for other in situation.upcoming:
            rival = self.campaigns.get(other.campaign)
            if rival is None or not rival.active or rival.priority >= campaign.priority:
                continue
            if not now < other.due_at <= now + campaign.look_ahead:
                continue
            if self._one_asking(campaign, timer, other.campaign, other.order_id):
                continue
            free = self._last_asked(rival, other, history, other.due_at) is None
            if free and other.due_at < now + self._quiet(rival):
                takers.append(other)
        return min(takers, key=lambda other: other.due_at, default=None)

    def _defer(self, timer: Timer, campaign: Campaign, reason: str, until: datetime, because_of: str) -> Verdict:
        if until > timer.milestone_at + campaign.valid_for:
            return Verdict(timer, "skipped", "expired", until, because_of)
        return Verdict(timer, "deferred", reason, until, because_of)

    def _one_asking(self, campaign: Campaign, timer: Timer, other: str, order_id: str | None) -> bool:
        mate = self.campaigns.get(other)
        return (
            timer.order_id is not None and timer.order_id == order_id and mate is not None and are_pair(campaign, mate)
        )

    def _quiet(self, campaign: Campaign) -> timedelta:
        return campaign.quiet_for(self.quiet_period)
