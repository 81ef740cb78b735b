"""Recurring timers: each customer has the one that follows from their orders and the last occurrence."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from shared.contracts.identity import timer_id
from tools.audit.checks.recurring import recurring_recomputed, surveys_were_due
from tools.audit.decision_log import DecisionLog
from tools.audit.facts import CampaignRule, DatabaseFacts, Decision, Effect, OrderEvent, Send, Timer, TopicFacts
from tools.audit.report import Check

START = datetime(2026, 1, 5, 9, tzinfo=UTC)
DAY = timedelta(days=1)
QUARTER = 90 * DAY
CAMPAIGN = CampaignRule(
    id="again",
    triggers=(),
    stop_on=frozenset(),
    quiet_period=None,
    pair_with=None,
    every=QUARTER,
    active_within=100 * DAY,
    valid_for=30 * DAY,
)


class History:
    """What happened to customer c1, in the order it was decided."""

    def __init__(self) -> None:
        self.topics = TopicFacts()
        self.database = DatabaseFacts(campaigns={"again": CAMPAIGN})

    def ordered(
        self, at: datetime, order: str = "o1", *, type_: str = "order.placed", handled: datetime | None = None,
        customer: str = "c1", change: str = "set",
    ) -> "History":  # fmt: skip
        identity = ("/shop", f"{order}/{type_}/{customer}")
        position = len(self.database.decisions) + 1
        location = ("orders", 0, position)
        self.topics.orders.append(
            OrderEvent(
                identity=identity,
                type=type_,
                location=location,
                order_id=order,
                customer_id=customer,
                occurred_at=at,
                promised_at=None,
                shipment=None,
            )
        )
        self.database.decisions.append(
            Decision(
                position=position,
                decided_at=handled or at,
                event=identity,
                outcome="timer_set",
                reason="recurs",
                customer_id=customer,
                order_id=order,
                event_type=type_,
                occurred_at=at,
                effects=(Effect(campaign="again", change=change, reason="recurs"),),
            )
        )
        return self

    def fired(self, occurrence: int, at: datetime, outcome: str = "sent", until: datetime | None = None) -> "History":
        self.database.decisions.append(
            Decision(
                position=len(self.database.decisions) + 1,
                decided_at=at,
                event=None,
                outcome=outcome,
                reason="due",
                customer_id="c1",
                timer_id=timer_of(occurrence),
                campaign="again",
                until=until,
            )
        )
        if outcome != "deferred":
            self.database.recurrences["again", "c1"] = (occurrence, at)
        return self

    def waits(self, occurrence: int, due_at: datetime, check_at: datetime | None = None) -> "History":
        self.database.timers.append(
            Timer(
                timer_id=timer_of(occurrence),
                campaign="again",
                customer_id="c1",
                order_id=None,
                cause="recurrence",
                occurrence=occurrence,
                due_at=due_at,
                check_at=check_at or due_at,
            )
        )
        return self

    def check(self) -> Check:
        return recurring_recomputed(self.topics, self.database, DecisionLog.of(self.database.decisions))


def timer_of(occurrence: int) -> str:
    return timer_id(campaign="again", customer_id="c1", order_id=None, occurrence=occurrence)


RIGHT: dict[str, Callable[[], History]] = {
    "the first is due one interval after the first order": lambda: History().ordered(START).waits(1, START + QUARTER),
    "an earlier order that is handled late moves it": lambda: (
        History()
        .ordered(START)
        .ordered(START - DAY, "o0", handled=START + DAY, change="moved")
        .waits(1, START - DAY + QUARTER)
    ),
    "a later order does not": lambda: (
        History().ordered(START).ordered(START + DAY, "o2", change="none").waits(1, START + QUARTER)
    ),
    "one that has expired before it is planned is passed over": lambda: (
        History().ordered(START, handled=START + QUARTER + 31 * DAY).waits(1, START + 2 * QUARTER)
    ),
    "one that is late but still valid is not": lambda: (
        History().ordered(START, handled=START + QUARTER + 30 * DAY).waits(1, START + QUARTER)
    ),
    "deferred, it is checked when the deferral ends": lambda: (
        History()
        .ordered(START)
        .fired(1, START + QUARTER, "deferred", START + QUARTER + DAY)
        .waits(1, START + QUARTER, START + QUARTER + DAY)
    ),
    "the second is due one interval after the first fired": lambda: (
        History().ordered(START).fired(1, START + QUARTER + DAY).waits(2, START + 2 * QUARTER + DAY)
    ),
    "also when the first was not sent": lambda: (
        History().ordered(START).fired(1, START + QUARTER, "skipped").waits(2, START + 2 * QUARTER)
    ),
    "a customer who no longer orders is not asked again": lambda: History().ordered(START).fired(1, START + 101 * DAY),
    "nor is one who returned everything": lambda: (
        History().ordered(START).ordered(START + DAY, type_="order.returned", change="none").fired(1, START + QUARTER)
    ),
    "until they order again": lambda: (
        History()
        .ordered(START)
        .fired(1, START + 101 * DAY)
        .ordered(START + 150 * DAY, "o2")
        .waits(2, START + 191 * DAY)
    ),
    "an inactive campaign asks nobody": lambda: with_campaign(
        History().ordered(START, change="none"), replace(CAMPAIGN, active=False)
    ),
    "a campaign that was changed since is left out": lambda: with_campaign(
        History().ordered(START).waits(1, START + QUARTER),
        replace(CAMPAIGN, every=30 * DAY, changed_at=START + DAY),
    ),
    "what Kafka has deleted is still in the log": lambda: without_topic(
        History().ordered(START).waits(1, START + QUARTER)
    ),
    "an erased customer is not asked": lambda: erased(History().ordered(START)),
    "one who returned afterwards is left out": lambda: erased(
        History().ordered(START).ordered(START + 9 * DAY, "o2").waits(1, START + 99 * DAY)
    ),
}


def with_campaign(history: History, campaign: CampaignRule) -> History:
    history.database.campaigns["again"] = campaign
    return history


def without_topic(history: History) -> History:
    history.topics.orders.clear()
    history.topics.retained_since["orders"] = START + 7 * DAY
    return history


def erased(history: History) -> History:
    history.topics.erased_customers["c1"] = START + DAY
    return history


@pytest.mark.parametrize("name", RIGHT)
def test_what_is_right_is_clean(name: str) -> None:
    check = RIGHT[name]().check()
    assert check.examples == []
    assert check.compared + check.left_out == 1


COMPARED = [name for name in RIGHT if RIGHT[name]().check().compared]
WITH_A_TIMER = [name for name in COMPARED if RIGHT[name]().database.timers]
WITHOUT_ONE = [name for name in COMPARED if not RIGHT[name]().database.timers]


@pytest.mark.parametrize("name", WITH_A_TIMER)
def test_a_timer_lost_moved_or_deferred_without_reason_is_found(name: str) -> None:
    history = RIGHT[name]()
    (timer,) = history.database.timers
    wrongs = [
        [],
        [replace(timer, due_at=timer.due_at + DAY, check_at=timer.check_at + DAY)],
        [replace(timer, check_at=timer.check_at + DAY)],
        [replace(timer, occurrence=timer.occurrence + 1)],
        [replace(timer, timer_id=timer_of(7))],
        [timer, replace(timer, timer_id=timer_of(7), occurrence=7)],
    ]
    for wrong in wrongs:
        history.database.timers = wrong
        assert history.check().differences > 0, wrong


@pytest.mark.parametrize("name", WITHOUT_ONE)
def test_a_timer_that_should_not_exist_is_found(name: str) -> None:
    assert RIGHT[name]().waits(2, START + 2 * QUARTER).check().differences > 0


def test_a_timer_of_an_unknown_customer_is_found() -> None:
    history = History().ordered(START).waits(1, START + QUARTER)
    (timer,) = history.database.timers
    stranger = timer_id(campaign="again", customer_id="c2", order_id=None, occurrence=1)
    history.database.timers.append(replace(timer, timer_id=stranger, customer_id="c2"))
    assert history.check().differences == 1


def test_customers_who_share_an_order_are_left_out() -> None:
    history = History().ordered(START).ordered(START + DAY, type_="order.paid", customer="c2")
    check = history.check()
    assert (check.differences, check.left_out) == (0, 2)


def test_a_recurrence_that_differs_from_the_log_is_found() -> None:
    history = History().ordered(START).fired(1, START + QUARTER).waits(2, START + 2 * QUARTER)
    for wrong in ({}, {("again", "c1"): (1, START)}, {("again", "c1"): (2, START + QUARTER)}):
        history.database.recurrences = wrong
        assert history.check().differences == 1


def sent(history: History, occurrence: int, due_at: datetime, sent_at: datetime) -> Check:
    """What is found about a survey of the ``occurrence``-th time."""
    history.database.sends["s"] = Send(
        send_id="s",
        campaign="again",
        campaign_version=1,
        channel="email",
        customer_id="c1",
        order_id=None,
        due_at=due_at,
        sent_at=sent_at,
        expires_at=sent_at + 30 * DAY,
        timer_id=timer_of(occurrence),
    )
    return surveys_were_due(history.topics, history.database, DecisionLog.of(history.database.decisions))


def test_a_recurring_survey_was_due_one_interval_after_the_first_order_or_the_last_time() -> None:
    first = History().ordered(START).fired(1, START + QUARTER)
    assert sent(first, 1, START + QUARTER, START + QUARTER).differences == 0
    assert sent(first, 1, START + QUARTER - DAY, START + QUARTER).differences == 1
    again = first.ordered(START + QUARTER + DAY, "o2").fired(2, START + 2 * QUARTER)
    assert sent(again, 2, START + 2 * QUARTER, START + 2 * QUARTER).differences == 0
    assert sent(again, 2, START + QUARTER + DAY, START + 2 * QUARTER).differences == 1


def test_a_recurring_survey_decided_before_it_was_due_is_found() -> None:
    early = History().ordered(START).fired(1, START + QUARTER - DAY)
    assert sent(early, 1, START + QUARTER, START + QUARTER - DAY).differences == 1


def test_a_recurring_survey_of_an_erased_customer_is_left_out() -> None:
    history = History().ordered(START).fired(1, START + QUARTER)
    history.topics.erased_customers["c1"] = START + 2 * QUARTER
    check = sent(history, 1, START, START + QUARTER)
    assert (check.differences, check.left_out) == (0, 1)
