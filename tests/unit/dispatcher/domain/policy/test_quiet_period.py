"""Asked once within the quiet period, to the microsecond."""

from dataclasses import replace

from services.dispatcher.domain.policy.situation import PastSend
from tests.unit.dispatcher.domain.policy.kit import DAY, MOMENT, NOW, PRODUCT, QUIET, campaign, decide, policy_of, timer


def test_the_quiet_period_ends_to_the_microsecond() -> None:
    asked = PastSend(campaign="other", order_id=None, sent_at=NOW - QUIET)
    assert decide(timer("service"), history=[asked])["service"].outcome == "sent"
    recent = replace(asked, sent_at=asked.sent_at + MOMENT)
    verdict = decide(timer("service"), history=[recent])["service"]
    assert (verdict.outcome, verdict.reason, verdict.because_of) == ("deferred", "quiet_period", "other")
    assert verdict.until == NOW + MOMENT


def test_a_survey_of_the_future_by_another_clock_counts_too() -> None:
    assert (
        decide(timer("service"), history=[PastSend(campaign="other", order_id=None, sent_at=NOW + DAY)])[
            "service"
        ].outcome
        == "skipped"
    )


def test_the_pair_about_one_order_is_one_asking_and_about_two_it_is_not() -> None:
    same, another = (
        PastSend(campaign="service", order_id="o-1", sent_at=NOW - DAY),
        PastSend(campaign="service", order_id="o-2", sent_at=NOW - DAY),
    )
    assert decide(timer("product"), history=[same])["product"].outcome == "sent"
    assert decide(timer("product"), history=[another])["product"].outcome == "skipped"
    assert decide(timer("product", None), history=[replace(same, order_id=None)])["product"].outcome == "skipped"


def test_a_pair_declared_by_only_one_of_them_does_not_hold() -> None:
    lonely = policy_of(PRODUCT, campaign("service", 2))
    assert (
        decide(timer("product"), history=[PastSend(campaign="service", order_id="o-1", sent_at=NOW)], policy=lonely)[
            "product"
        ].outcome
        == "skipped"
    )


def test_a_campaign_may_have_a_quiet_period_of_its_own() -> None:
    policy = policy_of(campaign("always", 1, quiet_period="0 days"))
    assert (
        decide(timer("always"), history=[PastSend(campaign="always", order_id="o-2", sent_at=NOW)], policy=policy)[
            "always"
        ].outcome
        == "sent"
    )
