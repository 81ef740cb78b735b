"""When a timer is due: by an order's milestones, from time to time, or because it was requested."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from services.dispatcher.domain.campaigns import Campaign
from services.dispatcher.domain.customers import Customer
from services.dispatcher.domain.reasons import Outcome, Reason
from services.dispatcher.domain.timers import (
    Effect,
    Plan,
    Recurrence,
    next_timer,
    plan_recurrence,
    planned_effect,
    recurring_timer,
    request_effect,
    requested_timer,
)
from services.dispatcher.settings import SHIPPED_CAMPAIGNS, read_campaigns
from shared.contracts.requests import SurveyRequested

NOW = datetime(2026, 6, 1, tzinfo=UTC)
DAY, MOMENT = timedelta(days=1), timedelta(microseconds=1)
SHIPPED = read_campaigns(SHIPPED_CAMPAIGNS)
RELATIONSHIP = next(campaign for campaign in SHIPPED if campaign.every)


@pytest.mark.parametrize(
    ("first", "fired", "due"),
    [
        (NOW, None, NOW + 90 * DAY),
        (NOW - 100 * DAY, None, NOW - 10 * DAY),  # still worth asking
        (NOW - 1_000 * DAY, None, NOW - 10 * DAY),  # the eleventh time, the ten before are passed over
        (NOW - 1_000 * DAY, NOW - 5 * DAY, NOW + 85 * DAY),
        (NOW - 104 * DAY, None, NOW - 14 * DAY),  # the last moment it is
        (NOW - 104 * DAY - MOMENT, None, NOW + 76 * DAY - MOMENT),
    ],
)
def test_when_a_recurring_campaign_asks_next(first: datetime, fired: datetime | None, due: datetime) -> None:
    last = None if fired is None else Recurrence(7, fired)
    brief = RELATIONSHIP.model_copy(update={"valid_for": 14 * DAY})
    assert plan_recurrence(brief, Customer(customer_id="c-1", first_event_at=first), last, NOW).due_at == due


def test_who_was_erased_is_not_asked_again_for_having_been_asked_before() -> None:
    erased = Customer(customer_id="c-1", erased_at=NOW)
    assert plan_recurrence(RELATIONSHIP, erased, Recurrence(1, NOW - 10 * DAY), NOW) == Plan(None, Reason.ERASED)
    back = Customer(customer_id="c-1", erased_at=NOW - DAY, first_event_at=NOW)
    assert plan_recurrence(RELATIONSHIP, back, Recurrence(1, NOW - 10 * DAY), NOW).due_at == NOW + 80 * DAY


@pytest.mark.parametrize(("ordered", "due"), [(NOW - 365 * DAY, NOW + 90 * DAY), (NOW - 366 * DAY, None), (None, None)])
def test_a_recurring_campaign_goes_on_while_the_customer_orders(ordered: datetime | None, due: datetime | None) -> None:
    customer = Customer(customer_id="c-1", first_event_at=NOW - 400 * DAY)
    timer = next_timer(RELATIONSHIP, customer, Recurrence(4, NOW), last_ordered_at=ordered, now=NOW)
    assert (None if timer is None else (timer.occurrence, timer.due_at)) == (None if due is None else (5, due))


def test_a_deferred_timer_is_left_alone_while_its_plan_stays() -> None:
    pending = replace(recurring_timer(RELATIONSHIP, "c-1", None, NOW), check_at=NOW + DAY)
    as_planned = planned_effect(RELATIONSHIP, Plan(NOW, Reason.RECURS), pending)
    assert as_planned == Effect("relationship-nps", "none", Reason.NO_CHANGE, NOW + DAY)
    moved = planned_effect(RELATIONSHIP, Plan(NOW + DAY, Reason.RECURS), pending)
    assert moved == Effect("relationship-nps", "moved", Reason.MILESTONE_MOVED, NOW + DAY)


REQUEST = SurveyRequested(
    request_id="r-1",
    customer_id="c-1",
    campaign="relationship-nps",
    requested_by="tests",
    requested_at=NOW,
    not_before=NOW + DAY,
)


@pytest.mark.parametrize(
    ("campaign", "already_sent", "outcome", "reason"),
    [
        (None, False, Outcome.NO_TIMER, Reason.UNKNOWN_CAMPAIGN),
        (RELATIONSHIP.model_copy(update={"active": False}), False, Outcome.NO_TIMER, Reason.CAMPAIGN_INACTIVE),
        (RELATIONSHIP, True, Outcome.NO_TIMER, Reason.ALREADY_REQUESTED),
        (RELATIONSHIP, False, Outcome.TIMER_SET, Reason.REQUESTED),
    ],
)
def test_what_becomes_of_a_request(
    campaign: Campaign | None, already_sent: bool, outcome: Outcome, reason: Reason
) -> None:
    effect = request_effect(REQUEST, campaign, already_sent=already_sent)
    assert (effect.outcome, effect.reason) == (outcome, reason)


def test_a_requested_survey_is_due_at_the_earliest_moment_asked_for() -> None:
    timer = requested_timer(REQUEST, None)
    assert (timer.cause, timer.due_at, timer.check_at) == ("request", NOW + DAY, NOW + DAY)
    assert requested_timer(REQUEST.model_copy(update={"campaign": "other"}), None).timer_id == timer.timer_id
