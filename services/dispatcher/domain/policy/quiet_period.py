"""A customer asked by any campaign is left alone for the quiet period of the campaign that wants to ask next.

The other survey of a declared pair about the same order does not count: the two count as one.
"""

from datetime import datetime

from services.dispatcher.domain.policy.situation import DueSurvey, PastSend
from services.dispatcher.domain.policy.verdict import Objection
from services.dispatcher.domain.reasons import Reason

REASONS: tuple[Reason, ...] = (Reason.QUIET_PERIOD,)


def check(survey: DueSurvey) -> Objection | None:
    asked = last_asked(survey, survey.now)
    if asked is None:
        return None
    free_at = asked.sent_at + survey.campaign.quiet_for(survey.default_quiet_period)
    return Objection(Reason.QUIET_PERIOD, until=free_at, because_of=asked.campaign)


def last_asked(survey: DueSurvey, at: datetime) -> PastSend | None:
    """The latest survey whose quiet period is not over ``at`` that time."""
    quiet_period = survey.campaign.quiet_for(survey.default_quiet_period)
    return max(
        (
            past
            for past in survey.history
            if past.sent_at + quiet_period > at
            and not survey.is_one_asking_with(campaign=past.campaign, order_id=past.order_id)
        ),
        key=lambda past: past.sent_at,
        default=None,
    )
