"""The list of rules: in the order that decides, each with its reasons, and every reason can come about."""

from dataclasses import replace

import pytest

from services.dispatcher.domain.customers import Customer
from services.dispatcher.domain.orders import Order
from services.dispatcher.domain.policy.rules import RULES, Rule
from services.dispatcher.domain.policy.situation import DueSurvey, PastSend
from services.dispatcher.domain.reasons import Reason
from shared.contracts.preferences import ChannelPreference, ChannelState
from shared.order_facts import OrderFacts
from tests.unit.dispatcher.domain.policy.kit import ANA, DAY, NOW, OTHER, campaign, due_survey, timer


def stopped(by: str) -> DueSurvey:
    return due_survey(order=Order("o-1", facts=OrderFacts(happened={by: NOW})))


def unwilling(state: ChannelState) -> DueSurvey:
    entry = ChannelPreference(channel="email", state=state, changed_at=NOW)
    return due_survey(customer=Customer(customer_id="c-1", details=ANA.details, channels={"email": entry}))


# A new rule, or a new reason of an old one, has its example here.
EXAMPLES = {
    Reason.CAMPAIGN_INACTIVE: due_survey(campaign("service", 2, active=False)),
    Reason.ORDER_CANCELLED: stopped("order.cancelled"),
    Reason.ORDER_REFUNDED: stopped("order.refunded"),
    Reason.ORDER_RETURNED: stopped("order.returned"),
    Reason.EXPIRED: due_survey(timer=timer("service", due=NOW - 15 * DAY)),
    Reason.ERASED: due_survey(customer=Customer(customer_id="c-1", erased_at=NOW)),
    Reason.SHARED_ID: due_survey(customer=replace(ANA, several_people=True)),
    Reason.NO_ADDRESS: due_survey(customer=Customer(customer_id="c-1")),
    Reason.UNUSABLE_ADDRESS: due_survey(customer=replace(ANA, details={"email": (0, "ana@exa mple.com")})),
    Reason.UNSUBSCRIBED: unwilling("unsubscribed"),
    Reason.BOUNCED: unwilling("bounced"),
    Reason.COMPLAINED: unwilling("complained"),
    Reason.NO_RECENT_ORDER: due_survey(timer=replace(timer("service"), cause="recurrence")),
    Reason.NOT_IN_AUDIENCE: due_survey(campaign("service", 2, audience={"tier": "silver"})),
    Reason.QUIET_PERIOD: due_survey(history=[PastSend(campaign="other", order_id=None, sent_at=NOW - DAY)]),
    Reason.STANDS_ASIDE: due_survey(OTHER, upcoming=[timer("product", "o-2", NOW + DAY)]),
}


def name_of(rule: Rule) -> str:
    return str(getattr(rule, "__name__", rule)).rpartition(".")[2]


def test_the_order_of_the_rules() -> None:
    assert [name_of(rule) for rule in RULES] == [
        "active",
        "stopped",
        "validity",
        "reachable",
        "recent_order",
        "audience",
        "quiet_period",
        "stands_aside",
    ]


def test_every_reason_of_every_rule_has_an_example_and_belongs_to_one_rule() -> None:
    reasons = [reason for rule in RULES for reason in rule.REASONS]
    assert sorted(reasons) == sorted(EXAMPLES)


@pytest.mark.parametrize("reason", EXAMPLES)
def test_the_rule_that_gives_the_reason_is_the_first_to_object(reason: Reason) -> None:
    objections = [(rule, objection) for rule in RULES if (objection := rule.check(EXAMPLES[reason])) is not None]
    rule, objection = objections[0]
    assert objection.reason is reason
    assert reason in rule.REASONS


def test_nothing_speaks_against_an_ordinary_survey() -> None:
    assert [rule.check(due_survey()) for rule in RULES] == [None] * len(RULES)


def test_only_a_reason_to_wait_names_a_moment_and_a_campaign() -> None:
    waits = {reason for reason, survey in EXAMPLES.items() for rule in RULES if (o := rule.check(survey)) and o.until}
    assert waits == {Reason.QUIET_PERIOD, Reason.STANDS_ASIDE}
