"""The facts of a survey from sends, deliveries and answers, and when it counts as delivered and as answered.

A survey counts as delivered once its send and its acceptance are known, and as long as no failure is; and then as
answered once an answer to it is known, on the day the *survey* was sent, so that no response rate exceeds 100 %. The
facts arrive in any order, from three topics, possibly more than once. An answer that is erased goes on counting.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple
from zoneinfo import ZoneInfo

from services.scorer.domain.answers import GivenAnswer
from services.scorer.domain.tally import Tally, answered_place, delivered_place
from services.scorer.domain.windows import day_of
from shared.contracts import deliveries
from shared.contracts.answers import AnswerErased
from shared.contracts.deliveries import Delivery
from shared.contracts.identity import key_of
from shared.contracts.sends import SurveySent

_REACHED = (deliveries.ACCEPTED, deliveries.DELIVERED)
_NOT_REACHED = (deliveries.BOUNCED, deliveries.FAILED)


class SurveyFacts(NamedTuple):
    """A row of ``surveys``; None is a fact not known yet. ``known_on`` is the day of the first event about it."""

    key: str
    known_on: date
    campaign_id: int | None = None
    sent_on: date | None = None
    accepted: bool = False
    failed: bool = False
    answered: bool = False
    segment_ids: tuple[int, ...] | None = None

    def merged(self, later: "SurveyFacts") -> "SurveyFacts":
        """These facts and those of a later event about the same survey."""
        where = self if self.sent_on is not None else later
        return SurveyFacts(
            key=self.key,
            known_on=self.known_on,
            campaign_id=where.campaign_id,
            sent_on=where.sent_on,
            accepted=self.accepted or later.accepted,
            failed=self.failed or later.failed,
            answered=self.answered or later.answered,
            segment_ids=where.segment_ids,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SurveyChange:
    """A survey that now counts as ``delivered`` or ``answered`` (1), no longer does (−1), or is unchanged (0)."""

    campaign_id: int
    sent_on: date
    segment_ids: Sequence[int]
    delivered: int
    answered: int


def first_sends(bodies: Iterable[SurveySent]) -> list[tuple[str, SurveySent]]:
    """Each survey's key with the first of its sends, ascending by key."""
    first: dict[str, SurveySent] = {}
    for body in bodies:
        first.setdefault(key_of(body.send_id), body)
    return sorted(first.items())


def facts_of_sends(
    sent: Sequence[tuple[str, SurveySent]],
    *,
    campaign_ids: Sequence[int],
    segment_ids: Sequence[tuple[int, ...]],
    zone: ZoneInfo,
) -> list[SurveyFacts]:
    """Where each survey counts; the ids are parallel to ``sent``."""
    return [
        SurveyFacts(
            key=key,
            known_on=(day := day_of(body.sent_at, zone)),
            campaign_id=campaign_id,
            sent_on=day,
            segment_ids=segments,
        )
        for (key, body), campaign_id, segments in zip(sent, campaign_ids, segment_ids, strict=True)
    ]


def facts_of_deliveries(reports: Iterable[tuple[str, Delivery]], zone: ZoneInfo) -> list[SurveyFacts]:
    """Whether surveys were delivered, from pairs of event type and body.

    Opens and clicks are ignored: bots cause both.
    """
    return [
        SurveyFacts(
            key=key_of(body.send_id),
            known_on=day_of(body.occurred_at, zone),
            accepted=kind in _REACHED,
            failed=kind in _NOT_REACHED,
        )
        for kind, body in reports
        if kind in _REACHED or kind in _NOT_REACHED
    ]


def facts_of_answers(bodies: Iterable[GivenAnswer | AnswerErased], zone: ZoneInfo) -> list[SurveyFacts]:
    """Which surveys were answered. An erasure does not name its survey, which is known to be answered by then."""
    return [
        SurveyFacts(key_of(body.send_id), day_of(body.received_at, zone), None, None, False, False, True)
        for body in bodies
        if isinstance(body, GivenAnswer) and body.send_id is not None
    ]


def merged_facts(facts: Iterable[SurveyFacts]) -> list[SurveyFacts]:
    """All that is known of each survey, each survey once."""
    by_key: dict[str, SurveyFacts] = {}
    for one in facts:
        before = by_key.setdefault(one.key, one)
        if before is not one:
            by_key[one.key] = before.merged(one)
    return list(by_key.values())


def count_surveys(tally: Tally, changed: Sequence[SurveyChange]) -> None:
    """Adds the changes to the counts."""
    for change, count in ((1, tally.add), (-1, tally.remove)):
        delivered = [one for one in changed if one.delivered == change]
        count([delivered_place(one.campaign_id, one.sent_on) for one in delivered], _segments(delivered))
        answered = [one for one in changed if one.answered == change]
        count([answered_place(one.campaign_id, one.sent_on) for one in answered], _segments(answered))


def _segments(changed: Sequence[SurveyChange]) -> list[Sequence[int]]:
    return [one.segment_ids for one in changed]
