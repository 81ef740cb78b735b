"""A survey needs a working address, of a customer and a mailbox that have not opted out."""

from services.dispatcher.domain.policy.situation import DueSurvey
from services.dispatcher.domain.policy.verdict import Objection
from services.dispatcher.domain.reasons import Reason

REASONS: tuple[Reason, ...] = (
    Reason.SHARED_ID,
    Reason.ERASED,
    Reason.NO_ADDRESS,
    Reason.UNUSABLE_ADDRESS,
    Reason.UNSUBSCRIBED,
    Reason.BOUNCED,
    Reason.COMPLAINED,
)


def check(survey: DueSurvey) -> Objection | None:
    obstacle = survey.customer.unreachable_by(survey.campaign.channel, survey.suppressed)
    return None if obstacle is None else Objection(obstacle)
