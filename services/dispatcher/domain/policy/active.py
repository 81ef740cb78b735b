"""An inactive campaign asks nobody."""

from services.dispatcher.domain.policy.situation import DueSurvey
from services.dispatcher.domain.policy.verdict import Objection
from services.dispatcher.domain.reasons import Reason

REASONS: tuple[Reason, ...] = (Reason.CAMPAIGN_INACTIVE,)


def check(survey: DueSurvey) -> Objection | None:
    return None if survey.campaign.active else Objection(Reason.CAMPAIGN_INACTIVE)
