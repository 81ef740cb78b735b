"""A recurring campaign asks only customers who ordered recently (``active_within`` of the campaign)."""

from services.dispatcher.domain.policy.situation import DueSurvey
from services.dispatcher.domain.policy.verdict import Objection
from services.dispatcher.domain.reasons import Reason
from services.dispatcher.domain.timers import ordered_within

REASONS: tuple[Reason, ...] = (Reason.NO_RECENT_ORDER,)


def check(survey: DueSurvey) -> Objection | None:
    if survey.timer.cause != "recurrence" or ordered_within(
        survey.campaign, last_ordered_at=survey.last_ordered_at, now=survey.now
    ):
        return None
    return Objection(Reason.NO_RECENT_ORDER)
