"""An order that was cancelled, refunded or returned is not asked about, unless its campaign allows it."""

from services.dispatcher.domain.orders import STOP_REASONS
from services.dispatcher.domain.policy.situation import DueSurvey
from services.dispatcher.domain.policy.verdict import Objection
from services.dispatcher.domain.reasons import Reason

REASONS: tuple[Reason, ...] = tuple(STOP_REASONS.values())


def check(survey: DueSurvey) -> Objection | None:
    stop = None if survey.order is None else survey.order.stopped_by(survey.campaign.stop_on)
    return None if stop is None else Objection(stop)
