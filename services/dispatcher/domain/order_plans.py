"""When campaigns ask about an order, or why they do not: decided for all of them at once.

What many campaigns have in common is looked at once for an order, and an event costs what the few campaigns cost that
it concerns, however many there are: see ``CampaignSet``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.dispatcher.domain.campaigns import Campaign, CampaignSet
from services.dispatcher.domain.customers import Customer
from services.dispatcher.domain.orders import Order
from services.dispatcher.domain.reasons import Reason
from services.dispatcher.domain.segments import OF_CAMPAIGN, Segmentation, of_campaign, unmet, values_of
from services.dispatcher.domain.timers import Plan
from shared.moments import earliest

# Sets of campaigns of which it is remembered who is in them.
_MOST_NAMED = 10_000


# Not frozen, although never changed: creating a frozen instance takes three times as long.
@dataclass(slots=True)
class OrderAsked:
    """An order and its customer as every campaign sees them at ``now``."""

    order: Order
    customer: Customer
    segmentation: Segmentation
    now: datetime

    def values(self, dimension: str) -> Sequence[str]:
        """As ``segments.values_of``."""
        return values_of(dimension, self.segmentation, self.customer, self.order, self.now)


@dataclass(frozen=True, slots=True)
class _Condition:
    """What some campaigns demand of a dimension; ``accepting`` has, by value, those that are content with it."""

    dimension: str
    demanding: CampaignSet
    accepting: Mapping[str, CampaignSet]


class CampaignIndex:
    """The current campaigns by number, compiled once for as long as none of them changes.

    ``recurring`` are those about customers; everything else here is about those that ask about orders. ``triggered_by``
    has the latter by milestone. They are named and ordered as in ``campaigns``.
    """

    def __init__(self, campaigns: Mapping[int, Campaign]) -> None:
        self.recurring = tuple(campaign for campaign in campaigns.values() if campaign.every is not None)
        self._campaigns = {number: campaign for number, campaign in campaigns.items() if campaign.trigger}
        self._place = {number: place for place, number in enumerate(self._campaigns)}
        self._numbers = {campaign.id: number for number, campaign in self._campaigns.items()}
        self._all: CampaignSet = 0
        self._inactive: CampaignSet = 0
        # Those whose audience is about what their own survey is, such as its channel, and that it is not.
        self._never: CampaignSet = 0
        self._stopped_by: dict[str, CampaignSet] = {}
        triggered_by: dict[str, CampaignSet] = {}
        accepting: dict[str, dict[str, CampaignSet]] = {}
        demanding: dict[str, CampaignSet] = {}
        for number, campaign in self._campaigns.items():
            itself: CampaignSet = 1 << number
            self._all |= itself
            self._inactive |= 0 if campaign.active else itself
            for stop in campaign.stop_on:
                self._stopped_by[stop] = self._stopped_by.get(stop, 0) | itself
            for trigger in campaign.trigger:
                triggered_by[trigger.after] = triggered_by.get(trigger.after, 0) | itself
            of_survey = {name: values for name, values in campaign.audience.items() if name in OF_CAMPAIGN}
            if any(unmet(of_survey, of_campaign(campaign, {}), None)):
                self._never |= itself
            for dimension, values in campaign.audience.items():
                if dimension in OF_CAMPAIGN:
                    continue
                demanding[dimension] = demanding.get(dimension, 0) | itself
                of_dimension = accepting.setdefault(dimension, {})
                for value in values:
                    of_dimension[value] = of_dimension.get(value, 0) | itself
        self.triggered_by: Mapping[str, CampaignSet] = triggered_by
        self._conditions = [_Condition(name, which, accepting[name]) for name, which in demanding.items()]
        self._named: dict[CampaignSet, Sequence[tuple[int, Campaign]]] = {}

    def number_of(self, campaign_id: str) -> int | None:
        """None if no such campaign asks about orders."""
        return self._numbers.get(campaign_id)

    def every(self) -> Sequence[Campaign]:
        """Those that ask about orders."""
        return tuple(self._campaigns.values())

    def named(self, which: CampaignSet) -> Sequence[tuple[int, Campaign]]:
        """The campaigns of a set with their numbers, in order."""
        known = self._named.get(which)
        if known is None:
            if len(self._named) >= _MOST_NAMED:
                self._named.clear()
            known = self._named[which] = self._name(which)
        return known

    def _name(self, which: CampaignSet) -> list[tuple[int, Campaign]]:
        found = []
        while which:
            number = (which & -which).bit_length() - 1
            which &= which - 1
            found.append(number)
        if len(found) > 1:
            found.sort(key=self._place.__getitem__)
        return [(number, self._campaigns[number]) for number in found]

    def sort_out(self, asked: OrderAsked) -> tuple[CampaignSet, list[tuple[Reason, CampaignSet]]]:
        """The campaigns that ask about the order, unless it is too late (``plan_due``), and the others by the reason.

        The first reason that holds counts, in the order they are in here.
        """
        left = self._all & ~self._inactive
        others = [(Reason.CAMPAIGN_INACTIVE, self._inactive)] if self._inactive else []
        if asked.customer.was_erased_by(asked.order.first_event_at):
            return 0, [*others, (Reason.ERASED, left)]
        for stop, reason in asked.order.stops():
            if stopped := left & self._stopped_by.get(stop, 0):
                others.append((reason, stopped))
                left ^= stopped
        reached: CampaignSet = 0
        milestone_of = asked.order.milestone
        for milestone, triggered in self.triggered_by.items():
            if milestone_of(milestone) is not None:
                reached |= triggered
        if awaiting := left & ~reached:
            others.append((Reason.MILESTONE_AWAITED, awaiting))
            left ^= awaiting
        if outside := left & ~self._addressing(left, asked):
            others.append((Reason.NOT_IN_AUDIENCE, outside))
            left ^= outside
        return left, others

    def _addressing(self, left: CampaignSet, asked: OrderAsked) -> CampaignSet:
        """Those of ``left`` that have the order and its customer in their audience."""
        left &= ~self._never
        for condition in self._conditions:
            if left & condition.demanding:
                content: CampaignSet = 0
                for value in asked.values(condition.dimension):
                    content |= condition.accepting.get(value, 0)
                left &= content | ~condition.demanding
        return left


def plan_due(campaign: Campaign, asked: OrderAsked) -> Plan:
    """When a campaign asks about an order in its audience that has reached a milestone of it: the earliest of its
    triggers, unless that is so long ago that it is too late."""
    due_at: datetime | None = None
    for trigger in campaign.trigger:
        at = asked.order.milestone(trigger.after)
        if at is not None:
            due_at = earliest(due_at, at + trigger.delay)
    assert due_at is not None
    if due_at + campaign.valid_for < asked.now:
        return Plan(None, Reason.TOO_LATE)
    return Plan(due_at, Reason.MILESTONE_REACHED)


def plan_order(campaign: Campaign, asked: OrderAsked) -> Plan:
    """When one campaign asks about the order, or why not."""
    asking, others = CampaignIndex({0: campaign}).sort_out(asked)
    return plan_due(campaign, asked) if asking else Plan(None, others[0][0])
