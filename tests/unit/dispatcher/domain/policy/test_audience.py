"""A campaign asks only its audience, by the segments at the moment it is due."""

from services.dispatcher.domain.policy import audience
from services.dispatcher.domain.policy.verdict import Objection
from services.dispatcher.domain.reasons import Reason
from tests.unit.dispatcher.domain.policy.kit import campaign, decide, due_survey, policy_of, said, timer


def test_whoever_is_not_in_the_audience_is_not_asked() -> None:
    for wanted in ({"tier": "silver"}, {"attributes.vip": ["yes"]}):
        picky = campaign("service", 1, audience=wanted)
        verdicts = decide(timer("service"), policy=policy_of(picky))
        assert said(verdicts) == {"service": ("skipped", "not_in_audience")}
    gold = campaign("service", 1, audience={"tier": "gold"})
    assert decide(timer("service"), policy=policy_of(gold))["service"].outcome == "sent"


def test_it_is_the_segments_that_decide() -> None:
    gold = campaign("service", 1, audience={"tier": "gold"})
    assert audience.check(due_survey(gold)) is None
    assert audience.check(due_survey(gold, segments={})) == Objection(Reason.NOT_IN_AUDIENCE)
    assert audience.check(due_survey(segments={})) is None
