"""Recurring timers are recomputed: each customer has the one that follows from their orders and the last asking."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from shared.contracts.identity import timer_id
from tools.audit.checks.recurring import recurring_recomputed
from tools.audit.facts import CampaignRule, DatabaseFacts, Decision, Effect, OrderTold, Timer, TopicFacts
from tools.audit.log import Log
from tools.audit.report import Check

START = datetime(2026, 1, 5, 9, tzinfo=UTC)
DAY = timedelta(days=1)
QUARTER = 90 * DAY
CAMPAIGN = CampaignRule(
    "again", (), frozenset(), None, None, every=QUARTER, active_within=100 * DAY, valid_for=30 * DAY
)


class Story:
    """What happened to customer c1, in the order it was decided."""

    def __init__(self) -> None:
        self.topics = TopicFacts()
        self.database = DatabaseFacts(campaigns={"again": CAMPAIGN})

    def ordered(
        self, at: datetime, order: str = "o1", *, type_: str = "order.placed", heard: datetime | None = None,
        customer: str = "c1", change: str = "set",
    ) -> "Story":  # fmt: skip
        identity = ("/shop", f"{order}/{type_}/{customer}")
        position = len(self.database.decisions) + 1
        place = ("orders", 0, position)
        self.topics.orders.append(OrderTold(identity, type_, place, order, customer, at, None, None))
        self.database.decisions.append(
            Decision(
                position, heard or at, identity, "timer_set", "recurs", customer, order, event_type=type_,
                occurred_at=at, effects=(Effect("again", change, "recurs"),),
            )
        )  # fmt: skip
        return self

    def came_due(self, occurrence: int, at: datetime, outcome: str = "sent", until: datetime | None = None) -> "Story":
        self.database.decisions.append(
            Decision(
                len(self.database.decisions) + 1, at, None, outcome, "due", "c1", timer_id=asking(occurrence),
                campaign="again", until=until,
            )
        )  # fmt: skip
        if outcome != "deferred":
            self.database.recurrences["again", "c1"] = (occurrence, at)
        return self

    def waits(self, occurrence: int, milestone_at: datetime, due_at: datetime | None = None) -> "Story":
        self.database.timers.append(
            Timer(
                asking(occurrence), "again", "c1", None, "recurrence", occurrence, milestone_at, due_at or milestone_at
            )
        )
        return self

    def check(self) -> Check:
        return recurring_recomputed(self.topics, self.database, Log.of(self.database.decisions))


def asking(occurrence: int) -> str:
    return timer_id("again", "c1", None, occurrence)


RIGHT: dict[str, Callable[[], Story]] = {
    "the first comes so long after the first order": lambda: Story().ordered(START).waits(1, START + QUARTER),
    "an earlier order that is heard of late moves it": lambda: (
        Story()
        .ordered(START)
        .ordered(START - DAY, "o0", heard=START + DAY, change="moved")
        .waits(1, START - DAY + QUARTER)
    ),
    "a later order does not": lambda: (
        Story().ordered(START).ordered(START + DAY, "o2", change="none").waits(1, START + QUARTER)
    ),
    "one so late that it makes no sense is passed over": lambda: (
        Story().ordered(START, heard=START + QUARTER + 31 * DAY).waits(1, START + 2 * QUARTER)
    ),
    "one that is late and still makes sense is not": lambda: (
        Story().ordered(START, heard=START + QUARTER + 30 * DAY).waits(1, START + QUARTER)
    ),
    "put off, it waits until then": lambda: (
        Story()
        .ordered(START)
        .came_due(1, START + QUARTER, "deferred", START + QUARTER + DAY)
        .waits(1, START + QUARTER, START + QUARTER + DAY)
    ),
    "the second comes so long after the first came due": lambda: (
        Story().ordered(START).came_due(1, START + QUARTER + DAY).waits(2, START + 2 * QUARTER + DAY)
    ),
    "also when the first was not sent": lambda: (
        Story().ordered(START).came_due(1, START + QUARTER, "skipped").waits(2, START + 2 * QUARTER)
    ),
    "who does not order any more is not asked again": lambda: Story().ordered(START).came_due(1, START + 101 * DAY),
    "nor is who sent everything back": lambda: (
        Story().ordered(START).ordered(START + DAY, type_="order.returned", change="none").came_due(1, START + QUARTER)
    ),
    "until they order again": lambda: (
        Story()
        .ordered(START)
        .came_due(1, START + 101 * DAY)
        .ordered(START + 150 * DAY, "o2")
        .waits(2, START + 191 * DAY)
    ),
    "a campaign that is switched off asks nobody": lambda: with_campaign(
        Story().ordered(START, change="none"), replace(CAMPAIGN, active=False)
    ),
    "one that was changed since leaves its timers": lambda: with_campaign(
        Story().ordered(START).waits(1, START + QUARTER),
        replace(CAMPAIGN, every=30 * DAY, changed_at=START + DAY),
    ),
    "what Kafka has dropped the log still knows": lambda: without_topic(
        Story().ordered(START).waits(1, START + QUARTER)
    ),
    "who was erased is not asked": lambda: erased(Story().ordered(START)),
    "who came back after it is left out": lambda: erased(
        Story().ordered(START).ordered(START + 9 * DAY, "o2").waits(1, START + 99 * DAY)
    ),
}


def with_campaign(story: Story, campaign: CampaignRule) -> Story:
    story.database.campaigns["again"] = campaign
    return story


def without_topic(story: Story) -> Story:
    story.topics.orders.clear()
    story.topics.dropped["orders"] = START + 7 * DAY
    return story


def erased(story: Story) -> Story:
    story.topics.erased_customers["c1"] = START + DAY
    return story


@pytest.mark.parametrize("name", RIGHT)
def test_what_is_right_is_clean(name: str) -> None:
    check = RIGHT[name]().check()
    assert check.examples == []
    assert check.compared + check.left_out == 1


COMPARED = [name for name in RIGHT if RIGHT[name]().check().compared]
WITH_A_TIMER = [name for name in COMPARED if RIGHT[name]().database.timers]
WITHOUT_ONE = [name for name in COMPARED if not RIGHT[name]().database.timers]


@pytest.mark.parametrize("name", WITH_A_TIMER)
def test_a_timer_that_was_lost_moved_or_put_off_without_reason_is_found(name: str) -> None:
    story = RIGHT[name]()
    (timer,) = story.database.timers
    wrongs = [
        [],
        [replace(timer, milestone_at=timer.milestone_at + DAY, due_at=timer.due_at + DAY)],
        [replace(timer, due_at=timer.due_at + DAY)],
        [replace(timer, occurrence=timer.occurrence + 1)],
        [replace(timer, timer_id=asking(7))],
        [timer, replace(timer, timer_id=asking(7), occurrence=7)],
    ]
    for wrong in wrongs:
        story.database.timers = wrong
        assert story.check().differences > 0, wrong


@pytest.mark.parametrize("name", WITHOUT_ONE)
def test_a_timer_that_should_not_be_is_found(name: str) -> None:
    assert RIGHT[name]().waits(2, START + 2 * QUARTER).check().differences > 0


def test_a_timer_of_a_customer_nobody_told_of_is_found() -> None:
    story = Story().ordered(START).waits(1, START + QUARTER)
    (timer,) = story.database.timers
    stranger = timer_id("again", "c2", None, 1)
    story.database.timers.append(replace(timer, timer_id=stranger, customer_id="c2"))
    assert story.check().differences == 1


def test_customers_who_share_an_order_are_left_out() -> None:
    story = Story().ordered(START).ordered(START + DAY, type_="order.paid", customer="c2")
    check = story.check()
    assert (check.differences, check.left_out) == (0, 2)


def test_an_asking_remembered_otherwise_than_logged_is_found() -> None:
    story = Story().ordered(START).came_due(1, START + QUARTER).waits(2, START + 2 * QUARTER)
    for wrong in ({}, {("again", "c1"): (1, START)}, {("again", "c1"): (2, START + QUARTER)}):
        story.database.recurrences = wrong
        assert story.check().differences == 1
