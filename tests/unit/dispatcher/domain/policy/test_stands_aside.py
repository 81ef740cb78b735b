"""The less important waits for what comes due soon, and for nothing else."""

from services.dispatcher.domain.policy.situation import PastSend
from tests.unit.dispatcher.domain.policy.kit import (
    DAY,
    NOW,
    OTHER,
    PRODUCT,
    campaign,
    decide,
    policy_of,
    timer,
    with_product,
)


def test_the_less_important_stands_aside_for_what_comes_due_soon() -> None:
    soon = timer("product", "o-2", NOW + 5 * DAY)
    verdict = decide(timer("other"), upcoming=[soon])["other"]
    assert (verdict.outcome, verdict.reason, verdict.until) == ("deferred", "stands_aside", soon.check_at)
    assert verdict.because_of == "product"
    late = timer("product", "o-2", NOW + 8 * DAY)
    assert decide(timer("other"), upcoming=[late])["other"].outcome == "sent"
    assert decide(timer("product"), upcoming=[timer("other", "o-2", NOW + DAY)])["product"].outcome == "sent"
    equals = policy_of(*(campaign(name, 3) for name in ("other", "another")))
    another = timer("another", "o-2", NOW + DAY)
    assert decide(timer("other"), upcoming=[another], policy=equals)["other"].outcome == "sent"
    for retired in (policy_of(OTHER), with_product(active=False)):
        assert decide(timer("other"), upcoming=[soon], policy=retired)["other"].outcome == "sent"


def test_nobody_stands_aside_for_a_campaign_whose_own_quiet_period_is_over_by_then() -> None:
    soon = timer("product", "o-2", NOW + 5 * DAY)
    for quiet, outcome in (("5 days", "sent"), ("6 days", "deferred")):
        verdicts = decide(timer("other"), upcoming=[soon], policy=with_product(quiet_period=quiet))
        assert verdicts["other"].outcome == outcome


def test_nobody_stands_aside_for_their_own_pair_nor_for_who_could_not_be_sent_anyway() -> None:
    mate = timer("product", "o-1", NOW + 5 * DAY)
    assert decide(timer("service"), upcoming=[mate])["service"].outcome == "sent"
    # The product survey will be within the quiet period of one sent before, so the service survey need not wait.
    brief = policy_of(PRODUCT, campaign("other", 3, quiet_period="1 day"))
    blocked = [PastSend(campaign="other", order_id=None, sent_at=NOW - 5 * DAY)]
    verdicts = decide(timer("other"), upcoming=[timer("product", "o-2", NOW + 5 * DAY)], history=blocked, policy=brief)
    assert verdicts["other"].outcome == "sent"
