"""A survey stands aside for a more important campaign that is due soon, if sending now would block that one.

"Soon" is within ``look_ahead`` of the campaign that would wait. It does not wait for the other of its pair, nor for
a survey that could not be sent by then anyway.
"""

from dataclasses import replace

from services.dispatcher.domain.policy.quiet_period import last_asked
from services.dispatcher.domain.policy.situation import DueSurvey
from services.dispatcher.domain.policy.verdict import Objection
from services.dispatcher.domain.reasons import Reason
from services.dispatcher.domain.timers import Timer

REASONS: tuple[Reason, ...] = (Reason.STANDS_ASIDE,)


def check(survey: DueSurvey) -> Objection | None:
    goes_first = min(
        (other for other in survey.upcoming if _would_lose_its_turn(other, survey)),
        key=lambda other: other.check_at,
        default=None,
    )
    if goes_first is None:
        return None
    return Objection(Reason.STANDS_ASIDE, until=goes_first.check_at, because_of=goes_first.campaign)


def _would_lose_its_turn(other: Timer, survey: DueSurvey) -> bool:
    campaign = survey.campaigns.get(other.campaign)
    if campaign is None or not campaign.active or campaign.priority >= survey.campaign.priority:
        return False
    if not survey.now < other.check_at <= survey.now + survey.campaign.look_ahead:
        return False
    if survey.is_one_asking_with(campaign=other.campaign, order_id=other.order_id):
        return False
    free_by_then = last_asked(replace(survey, timer=other, campaign=campaign), other.check_at) is None
    return free_by_then and other.check_at < survey.now + campaign.quiet_for(survey.default_quiet_period)
