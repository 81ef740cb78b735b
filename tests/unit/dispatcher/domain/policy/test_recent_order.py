"""A recurring campaign asks only customers who still order."""

from dataclasses import replace

from services.dispatcher.domain.campaigns import Campaign
from services.dispatcher.domain.policy import recent_order
from tests.unit.dispatcher.domain.policy.kit import DAY, NOW, decide, due_survey, policy_of, timer


def test_a_recurring_campaign_asks_only_who_ordered_lately() -> None:
    yearly = Campaign.model_validate({"id": "yearly", "every": "365 days", "active_within": "100 days"})
    policy = policy_of(yearly)
    due = replace(timer("yearly", None), cause="recurrence")
    for ago, outcome in ((100 * DAY, "sent"), (101 * DAY, "skipped"), (None, "skipped")):
        ordered = None if ago is None else NOW - ago
        assert decide(due, policy=policy, last_ordered_at=ordered)["yearly"].outcome == outcome


def test_other_campaigns_do_not_ask_when_the_customer_last_ordered() -> None:
    assert recent_order.check(due_survey(last_ordered_at=None)) is None
