"""The facts of a survey from sends and deliveries, and when it counts as delivered.

A survey counts once its send and its acceptance are known, and as long as no failure is. The three facts arrive in
any order, from two topics, possibly more than once.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple
from zoneinfo import ZoneInfo

from services.scorer.domain.keys import key_of
from services.scorer.domain.tally import DayChange, Tally, delivered_place
from services.scorer.domain.windows import day_of
from shared.contracts import deliveries
from shared.contracts.deliveries import Delivery
from shared.contracts.sends import SurveySent

_REACHED = (deliveries.ACCEPTED, deliveries.DELIVERED)
_NOT_REACHED = (deliveries.BOUNCED, deliveries.FAILED)


class SurveyFacts(NamedTuple):
    """A row of ``surveys``; None is a fact not known yet. ``known_on`` is the day of the first event about it."""

    key: str
    known_on: date
    campaign_id: int | None
    sent_on: date | None
    accepted: bool
    failed: bool
    segment_ids: tuple[int, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveredChange:
    """A survey that now counts as delivered (``delivered`` is 1), or no longer does (−1)."""

    campaign_id: int
    sent_on: date
    segment_ids: Sequence[int]
    delivered: int


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
            accepted=False,
            failed=False,
            segment_ids=segments,
        )
        for (key, body), campaign_id, segments in zip(sent, campaign_ids, segment_ids, strict=True)
    ]


def facts_of_deliveries(reports: Iterable[tuple[str, Delivery]], zone: ZoneInfo) -> list[SurveyFacts]:
    """Whether each survey was delivered, from pairs of event type and body; ascending by key.

    Opens and clicks are ignored: bots cause both.
    """
    known_on: dict[str, date] = {}
    accepted: set[str] = set()
    failed: set[str] = set()
    for kind, body in reports:
        if kind in _REACHED or kind in _NOT_REACHED:
            key = key_of(body.send_id)
            known_on.setdefault(key, day_of(body.occurred_at, zone))
            (accepted if kind in _REACHED else failed).add(key)
    return [
        SurveyFacts(
            key=key,
            known_on=known_on[key],
            campaign_id=None,
            sent_on=None,
            accepted=key in accepted,
            failed=key in failed,
            segment_ids=None,
        )
        for key in sorted(known_on)
    ]


def delivered_changes(changed: Sequence[DeliveredChange]) -> list[DayChange]:
    """The changes to the day counts."""
    tally = Tally()
    for delivered, count in ((1, tally.add), (-1, tally.remove)):
        these = [one for one in changed if one.delivered == delivered]
        count([delivered_place(one.campaign_id, one.sent_on) for one in these], [one.segment_ids for one in these])
    return tally.changes()
