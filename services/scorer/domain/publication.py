"""Which scores are published: those whose figures differ from the last publication."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from datetime import datetime
from typing import NamedTuple

from services.scorer.domain.answers import NO_CAMPAIGN
from services.scorer.domain.scores import NOTHING, Sums, window_score
from services.scorer.domain.segments import Segment, write_segment
from services.scorer.domain.windows import SPANS
from shared.contracts.scores import ANY_CAMPAIGN, WINDOW_DAYS, ScoreUpdated, Window
from shared.nps import Counts

ALL_CAMPAIGNS = -1

Figures = tuple[int, ...]
"""The figures by which two publications of a score are compared."""

_FORMULA = 2
"""Goes up when the same counts give another score. Every score is then published again: what changes at once, the
others when the next day begins."""


class Key(NamedTuple):
    """What is summed up and published together; ``campaign_id`` may be ALL_CAMPAIGNS."""

    segment_id: int
    campaign_id: int


class ScoreKey(NamedTuple):
    """``campaign_id`` may be ALL_CAMPAIGNS; 0 ``window_days`` means all time."""

    segment_id: int
    campaign_id: int
    window_days: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """Sums of which something has not been published ``since`` then.

    ``sums`` are those of every span of ``windows.SPANS``, in their order: promoters, passives and detractors, and of a
    window that is not a preceding one also surveys delivered and answered. ``campaign`` is None for all together.
    """

    key: Key
    _: KW_ONLY
    since: datetime
    segment: Segment
    campaign: str | None
    sums: Sequence[int]


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


_NEVER = Published(0, ())


def rules_of(minimum: int) -> tuple[int, ...]:
    """What a score depends on besides counts: the last of its figures."""
    return minimum, _FORMULA


def scores_to_publish(
    waiting: Sequence[Waiting], published: Mapping[ScoreKey, Published], *, now: datetime, minimum: int
) -> list[Publication]:
    """The scores to publish, of ``waiting`` those that differ from what is ``published``, ascending by key.

    A key whose days have all left a window drops to zero and is published once more.
    """
    found: list[Publication] = []
    for one in sorted(waiting, key=_key_of):
        if one.campaign in (NO_CAMPAIGN, ANY_CAMPAIGN):
            continue  # Such answers are in "all together", and have no name of their own.
        segment, campaign = write_segment(one.segment), one.campaign or ANY_CAMPAIGN
        for window, current, before in _windows(one.sums):
            key = ScoreKey(*one.key, window_days=WINDOW_DAYS[window] or 0)
            figures = _figures(current, before, minimum)
            last = published.get(key, _NEVER)
            if figures == last.figures or (not last.figures and not any(figures[:-2])):
                continue
            body = _body(
                campaign=campaign,
                window=window,
                segment=segment,
                at=now,
                sequence=last.sequence + 1,
                current=current,
                before=before,
                minimum=minimum,
            )
            found.append(Publication(key, figures, body))
    return found


def _key_of(waiting: Waiting) -> Key:
    return waiting.key


def _positions() -> Iterator[tuple[Window, int, int | None]]:
    """Each window with where its sums and those of the preceding window begin."""
    beginnings: dict[tuple[Window, bool], int] = {}
    position = 0
    for span in SPANS:
        beginnings[span.window, span.before] = position
        position += 3 if span.before else 5
    for span in SPANS:
        if not span.before:
            yield span.window, beginnings[span.window, False], beginnings.get((span.window, True))


_POSITIONS = tuple(_positions())


def _windows(sums: Sequence[int]) -> Iterator[tuple[Window, Sums, Sums | None]]:
    """Each window with its sums and those of the preceding window, if there is one."""
    for window, at, before_at in _POSITIONS:
        before = None if before_at is None else Sums(_counts(sums, before_at), delivered=None, answered=0)
        yield window, Sums(_counts(sums, at), delivered=sums[at + 3], answered=sums[at + 4]), before


def _counts(sums: Sequence[int], at: int) -> Counts:
    return Counts(promoters=sums[at], passives=sums[at + 1], detractors=sums[at + 2])


def _figures(current: Sums, before: Sums | None, minimum: int) -> Figures:
    now, then = current.counts, (before or NOTHING).counts
    if not now.n:
        then = NOTHING.counts  # There is no change from it.
    return (
        *(now.promoters, now.passives, now.detractors, current.answered, current.delivered or 0),
        *(then.promoters, then.passives, then.detractors),
        *rules_of(minimum),
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
