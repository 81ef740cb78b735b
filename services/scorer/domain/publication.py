"""Which scores are published: those whose figures differ from the last publication."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

from services.scorer.domain.answers import NO_CAMPAIGN
from services.scorer.domain.scores import NOTHING, Sums, window_score
from services.scorer.domain.segments import Segment, write_segment
from services.scorer.domain.windows import Days, days_before, window_days
from shared.contracts.scores import ANY_CAMPAIGN, WINDOW_DAYS, WINDOWS, ScoreUpdated, Window

ALL_CAMPAIGNS = -1

Figures = tuple[int, ...]
"""The figures by which two publications of a score are compared."""

_FORMULA = 2
"""Goes up when the same counts give another score, so that every score is published again."""

_WITH_BEFORE = [window for window in WINDOWS if WINDOW_DAYS[window] is not None]


class ScoreKey(NamedTuple):
    """``campaign_id`` may be ALL_CAMPAIGNS; 0 ``window_days`` means all time."""

    segment_id: int
    campaign_id: int
    window_days: int


class SumsKey(NamedTuple):
    segment_id: int
    campaign_id: int


SumsBySpan = dict[int, Sums]
"""Sums by the position of their span in ``spans_ending``; empty spans are omitted."""


@dataclass(frozen=True, slots=True)
class Published:
    """The last publication of a key; ``sequence`` counts its updates."""

    sequence: int
    figures: Figures


@dataclass(frozen=True, slots=True)
class Publication:
    """A score to publish."""

    key: ScoreKey
    figures: Figures
    body: ScoreUpdated


def spans_ending(today: date) -> list[Days]:
    """The days of every window that ends today, then those of every preceding window."""
    return [window_days(window, today) for window in WINDOWS] + [
        before for window in WINDOWS if (before := days_before(window, today)) is not None
    ]


def scores_to_publish(
    sums: Mapping[SumsKey, SumsBySpan],
    published: Mapping[ScoreKey, Published],
    *,
    segments: Mapping[int, Segment],
    campaigns: Mapping[int, str],
    now: datetime,
    minimum: int,
) -> list[Publication]:
    """The scores to publish, ascending by key.

    ``sums`` has every segment and campaign with answers or deliveries in some span; all campaigns together are summed
    up here. ``published`` is the last publication of the same segments, and ``segments`` and ``campaigns`` are names by
    id. A key whose days have all left every window drops to zero and is published once more.
    """
    found: list[Publication] = []
    for (segment_id, campaign_id), by_span in sorted(_complete(sums, published).items()):
        campaign = ANY_CAMPAIGN if campaign_id == ALL_CAMPAIGNS else campaigns[campaign_id]
        if campaign_id != ALL_CAMPAIGNS and campaign in (NO_CAMPAIGN, ANY_CAMPAIGN):
            continue  # Answers without a campaign are in "all together", and have no name of their own.
        for window, current, before in _windows(by_span):
            key = ScoreKey(segment_id=segment_id, campaign_id=campaign_id, window_days=WINDOW_DAYS[window] or 0)
            figures = _figures(current, before, minimum)
            last = published.get(key, Published(0, ()))
            if figures == last.figures or (not last.figures and not any(figures[:-2])):
                continue
            body = _body(
                campaign=campaign,
                window=window,
                segment=write_segment(segments[segment_id]),
                at=now,
                sequence=last.sequence + 1,
                current=current,
                before=before,
                minimum=minimum,
            )
            found.append(Publication(key, figures, body))
    return found


def _complete(sums: Mapping[SumsKey, SumsBySpan], published: Mapping[ScoreKey, Published]) -> dict[SumsKey, SumsBySpan]:
    """Adds all campaigns together, and the previously published keys that dropped to zero."""
    complete = dict(sums)
    for (segment_id, _), by_span in sums.items():
        together = complete.setdefault(SumsKey(segment_id=segment_id, campaign_id=ALL_CAMPAIGNS), {})
        for position, some in by_span.items():
            together[position] = together.get(position, NOTHING) + some
    for key in published:
        complete.setdefault(SumsKey(segment_id=key.segment_id, campaign_id=key.campaign_id), {})
    return complete


def _windows(by_span: SumsBySpan) -> Iterator[tuple[Window, Sums, Sums | None]]:
    """Each window with its counts and those of the preceding window, if there is one."""
    for position, window in enumerate(WINDOWS):
        before = None
        if window in _WITH_BEFORE:
            before = by_span.get(len(WINDOWS) + _WITH_BEFORE.index(window), NOTHING)
        yield window, by_span.get(position, NOTHING), before


def _figures(current: Sums, before: Sums | None, minimum: int) -> Figures:
    now, then = current.counts, (before or NOTHING).counts
    return (
        *(now.promoters, now.passives, now.detractors, current.answered, current.delivered or 0),
        *(then.promoters, then.passives, then.detractors),
        *(minimum, _FORMULA),
    )


def _body(
    *,
    campaign: str,
    window: Window,
    segment: str,
    at: datetime,
    sequence: int,
    current: Sums,
    before: Sums | None,
    minimum: int,
) -> ScoreUpdated:
    found = window_score(current, before=before, minimum=minimum)
    counts = current.counts
    return ScoreUpdated(
        campaign=campaign,
        window=window,
        segment=segment,
        at=at,
        sequence=sequence,
        nps=found.score.nps,
        low=found.score.low,
        high=found.score.high,
        n=counts.n,
        promoters=counts.promoters,
        passives=counts.passives,
        detractors=counts.detractors,
        held_back=found.held_back,
        delivered=found.delivered,
        response_rate=found.response_rate,
        change=found.change.points if found.change else None,
        change_significant=found.change.significant if found.change else None,
    )
