"""A campaign that was switched off asks nobody."""

from services.dispatcher.domain.policy import active
from services.dispatcher.domain.policy.verdict import Objection
from services.dispatcher.domain.reasons import Reason
from tests.unit.dispatcher.domain.policy.kit import campaign, decide, due_survey, policy_of, said, timer


def test_a_campaign_that_is_switched_off_or_gone_asks_nobody() -> None:
    off = campaign("service", 1, active=False)
    assert active.check(due_survey(off)) == Objection(Reason.CAMPAIGN_INACTIVE)
    assert active.check(due_survey()) is None
    assert said(decide(timer("service"), policy=policy_of(off))) == {"service": ("skipped", "campaign_inactive")}
    assert said(decide(timer("gone"))) == {"gone": ("skipped", "campaign_inactive")}
