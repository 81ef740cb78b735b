"""A survey expires: it is sent at most ``valid_for`` (of its campaign) after it was due."""

from services.dispatcher.domain.policy.situation import DueSurvey
from services.dispatcher.domain.policy.verdict import Objection
from services.dispatcher.domain.reasons import Reason

REASONS: tuple[Reason, ...] = (Reason.EXPIRED,)


def check(survey: DueSurvey) -> Objection | None:
    expired = survey.now > survey.timer.due_at + survey.campaign.valid_for
    return Objection(Reason.EXPIRED) if expired else None
