"""A campaign with an audience asks only customers and orders in it, by their current segments."""

from services.dispatcher.domain.policy.situation import DueSurvey
from services.dispatcher.domain.policy.verdict import Objection
from services.dispatcher.domain.reasons import Reason
from services.dispatcher.domain.segments import matches

REASONS: tuple[Reason, ...] = (Reason.NOT_IN_AUDIENCE,)


def check(survey: DueSurvey) -> Objection | None:
    belongs = matches(survey.campaign.audience, survey.segments, survey.order)
    return None if belongs else Objection(Reason.NOT_IN_AUDIENCE)
