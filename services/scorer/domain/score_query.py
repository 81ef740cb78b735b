"""A query for scores: which answers, on which days."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from services.scorer.domain.segments import EVERYBODY_SEGMENT, Segment, read_segment, write_segment
from services.scorer.domain.windows import Days, day_of, window_days
from shared.contracts.scores import ANY_CAMPAIGN, EVERYBODY, Window

MAX_SEGMENTS = 10
"""In one query."""


@dataclass(frozen=True, slots=True)
class ScoreQuery:
    """``segments`` must all apply; none means everyone. ``campaign`` None means all together.

    ``at`` is the end of the window; ``last_day`` is the day it falls on in the shop's time zone.
    """

    window: Window
    segments: tuple[Segment, ...]
    campaign: str | None
    at: datetime
    last_day: date

    @classmethod
    def read(
        cls, *, window: Window, segments: Sequence[str], campaign: str | None, at: datetime, zone: ZoneInfo
    ) -> "ScoreQuery":
        """Parses the parameters of a URL. Raises BadSegment."""
        parsed = dict.fromkeys(read_segment(segment) for segment in segments)
        parsed.pop(EVERYBODY_SEGMENT, None)
        chosen = None if campaign in (None, "", ANY_CAMPAIGN) else campaign
        return cls(window, tuple(parsed), chosen, at, day_of(at, zone))

    @property
    def days(self) -> Days:
        return window_days(self.window, self.last_day)

    @property
    def label(self) -> str | list[str]:
        """``everybody``, one segment, or the list of segments that must all apply."""
        written = [write_segment(segment) for segment in self.segments]
        if not written:
            return EVERYBODY
        return written[0] if len(written) == 1 else written
