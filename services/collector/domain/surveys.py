"""A sent survey, and whether it may still be answered: known here, not erased, not closed."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from services.collector.domain.answers import StoredAnswer
from shared.contracts.campaigns import CampaignPublished
from shared.contracts.sends import Channel
from shared.contracts.types import Segments

COMMENT_GRACE = timedelta(days=1)
"""How long after a survey has closed a score given in time may still be commented on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """One survey sent to one customer. ``customer_id`` and all personal data are None once ``erased_at`` is set."""

    send_id: str
    campaign: str
    campaign_version: int
    channel: Channel
    locale: str
    customer_id: str | None
    address: str | None
    name: str | None
    order_id: str | None
    product: str | None
    segments: Segments
    sent_at: datetime
    expires_at: datetime
    erased_at: datetime | None


@dataclass(frozen=True, slots=True)
class Survey:
    """A send with its campaign, if that has been consumed, and the answer given so far."""

    send: Send
    campaign: CampaignPublished | None
    stored: StoredAnswer | None


class UnknownSurvey(LookupError):
    """The send has not been consumed yet, or was deleted long after its link closed."""

    def __init__(self) -> None:
        super().__init__("the survey is not known here yet; try again in a few seconds")


class ErasedSurvey(LookupError):
    """The customer's data was erased."""

    def __init__(self) -> None:
        super().__init__("the data of this survey's customer was erased")


class ClosedSurvey(Exception):
    """The link has expired. ``survey`` is the one it belongs to."""

    def __init__(self, survey: Survey) -> None:
        super().__init__(f"it could be answered until {survey.send.expires_at.isoformat()}")
        self.survey = survey


def known(survey: Survey | None) -> Survey:
    """The survey, if it is known and its customer was not erased. Raises UnknownSurvey or ErasedSurvey."""
    if survey is None:
        raise UnknownSurvey
    if survey.send.erased_at is not None:
        raise ErasedSurvey
    return survey


def answerable(survey: Survey | None, now: datetime, *, score_stays: bool = False) -> Survey:
    """The survey, if an answer to it is accepted at ``now``; ``expires_at`` is inclusive. If there is an answer whose
    ``score_stays``, whatever else is said about it is accepted for COMMENT_GRACE longer.

    Raises UnknownSurvey, ErasedSurvey (also when only the answer was erased) or ClosedSurvey.
    """
    survey = known(survey)
    if survey.stored is not None and survey.stored.answer is None:
        raise ErasedSurvey
    grace = COMMENT_GRACE if score_stays and survey.stored is not None else timedelta(0)
    if now > survey.send.expires_at + grace:
        raise ClosedSurvey(survey)
    return survey


def score_stays(survey: Survey | None, score: int | None) -> bool:
    """Whether the survey has an answer, and ``score`` would not change it; None means no score."""
    answer = survey.stored.answer if survey and survey.stored else None
    return answer is not None and score in (None, answer.score)


def is_closed(survey: Survey, now: datetime) -> bool:
    """Whether no score is accepted any more."""
    return now > survey.send.expires_at
