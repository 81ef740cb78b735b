"""What the API and the dashboard both ask: scores, trends and comparisons of a selection of answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from sqlalchemy.ext.asyncio import AsyncConnection

from services.scorer.domain.segments import EVERYONE, Segment, parse, write
from services.scorer.domain.windows import Days, Point, day_of, days_before, ends_of, rolling, window_days
from services.scorer.repository import names, reading
from services.scorer.repository.reading import Selection, Sums
from services.scorer.settings import ScorerSettings
from shared.contracts.scores import ANY_CAMPAIGN, EVERYBODY, Window
from shared.nps import Change, Counts, NetPromoterScore, change, net_promoter_score
from shared.runtime import Runtime

Step = Literal["day", "week"]
STEP_DAYS: dict[Step, int] = {"day": 1, "week": 7}
VALUES_COMPARED = 500
"""Of a dimension with more values, those with most answers are compared."""


@dataclass(frozen=True, slots=True)
class Question:
    """Which answers, of which days. ``segments`` all apply; none means everybody. ``at`` is the window's end."""

    window: Window
    segments: tuple[Segment, ...]
    campaign: str | None
    at: datetime

    @classmethod
    def read(cls, window: Window, segments: Sequence[str], campaign: str | None, at: datetime) -> "Question":
        """From words as they stand in an address. Raises BadSegment."""
        parsed = dict.fromkeys(parse(segment) for segment in segments)
        parsed.pop(EVERYONE, None)
        return cls(window, tuple(parsed), None if campaign in (None, "", ANY_CAMPAIGN) else campaign, at)

    @property
    def written_segments(self) -> list[str]:
        return [write(segment) for segment in self.segments]


@dataclass(frozen=True, slots=True)
class Figure:
    """A score, how it compares with the window before, and the response rate where it is known."""

    score: NetPromoterScore
    change: Change | None
    response_rate: float | None
    delivered: int | None
    held_back: bool


@dataclass(frozen=True, slots=True)
class TrendPoint:
    day: date
    score: NetPromoterScore
    held_back: bool


@dataclass(frozen=True, slots=True)
class Compared:
    """One value of a dimension. ``differs`` from all the others together, by more than chance would explain; None when
    it is held back or there are no others."""

    segment: str
    value: str
    score: NetPromoterScore
    held_back: bool
    differs: bool | None


class Figures:
    def __init__(self, runtime: Runtime[ScorerSettings]) -> None:
        self._minimum = runtime.settings.minimum_answers
        self._zone = runtime.settings.zone

    def last_day(self, question: Question) -> date:
        return day_of(question.at, self._zone)

    async def figure(self, connection: AsyncConnection, question: Question) -> Figure:
        end = self.last_day(question)
        before = days_before(question.window, end)
        spans = [window_days(question.window, end)] + ([before] if before else [])
        selection = await selection_of(connection, question)
        sums = [Sums(Counts(), 0, 0)] * len(spans)
        if selection is not None:
            sums = await reading.sums(connection, selection, spans)
        now = sums[0]
        return Figure(
            net_promoter_score(now.counts),
            change(now.counts, sums[1].counts) if before else None,
            now.surveyed / now.delivered if now.delivered else None,
            now.delivered,
            now.counts.n < self._minimum,
        )

    async def trend(self, connection: AsyncConnection, question: Question, step: Step, points: int) -> list[TrendPoint]:
        """The window's score as it stood at the end of each of the last ``points`` days or weeks."""
        ends = ends_of(self.last_day(question), STEP_DAYS[step], points)
        selection = await selection_of(connection, question)
        daily: dict[date, Counts] = {}
        if selection is not None:
            earliest = window_days(question.window, ends[0]).after
            daily = await reading.daily(connection, selection, Days(earliest, ends[-1]))
        return [self._point(point) for point in rolling(daily, question.window, ends)]

    async def comparison(self, connection: AsyncConnection, dimension: str, question: Question) -> list[Compared]:
        """The values of a dimension within the question's answers, best score first, those held back last."""
        selection = await selection_of(connection, question)
        if selection is None:
            return []
        span = window_days(question.window, self.last_day(question))
        values = await reading.values_of(connection, dimension, selection, span, VALUES_COMPARED)
        everybody = (await reading.sums(connection, selection, [span]))[0].counts
        shown = sum(counts.n >= self._minimum for _, counts in values)
        compared = [self._compared(dimension, value, counts, everybody, shown) for value, counts in values]
        return sorted(compared, key=lambda one: (one.held_back, -(one.score.nps or 0), one.value))

    def _compared(self, dimension: str, value: str, counts: Counts, everybody: Counts, shown: int) -> Compared:
        held_back = counts.n < self._minimum
        difference = None if held_back else change(counts, everybody - counts, comparisons=shown)
        return Compared(
            write((dimension, value)),
            value,
            net_promoter_score(counts),
            held_back,
            difference.significant if difference else None,
        )

    def _point(self, point: Point) -> TrendPoint:
        return TrendPoint(point.day, net_promoter_score(point.counts), point.counts.n < self._minimum)


async def selection_of(connection: AsyncConnection, question: Question) -> Selection | None:
    """The question in numbers; None when one of its names was never seen, so that nobody answers it."""
    campaign_id = None
    if question.campaign is not None:
        campaign_id = (await names.find_campaigns(connection, [question.campaign])).get(question.campaign)
        if campaign_id is None:
            return None
    if not question.segments:
        return Selection((0,), campaign_id)
    found = await names.find_segments(connection, question.segments)
    if len(found) < len(question.segments):
        return None
    return Selection(tuple(sorted(found.values())), campaign_id)


def label_of(segments: Sequence[str]) -> str | list[str]:
    """How a selection reads in an answer: ``everybody``, one segment, or the list of those that all apply."""
    if not segments:
        return EVERYBODY
    return segments[0] if len(segments) == 1 else list(segments)
