"""What the publishers of all processes know together: the day, and how far its beginning has been worked off.

When a day begins, counts leave and enter the windows of every segment. A walk over all segments in the order of their
ids brings the sums of each to the new day, some at a time, so that nothing waits for all of them.
"""

from dataclasses import dataclass, replace
from datetime import date, datetime
from zoneinfo import ZoneInfo

from services.scorer.domain.windows import last_day_to_publish
from shared.moments import end_of, start_of

BEFORE_ALL = -1
"""Below every segment's id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """``to`` is the last segment done, None when all are. ``again`` if another day began meanwhile: once it is through,
    it starts again, so that days that pass quickly do not keep it from the last segments."""

    to: int | None
    again: bool = False

    def started(self) -> "Walk":
        """For a day that begins now."""
        if self.to in (None, BEFORE_ALL):
            return Walk(to=BEFORE_ALL)
        return replace(self, again=True)

    def after(self, segment_id: int, *, more: bool) -> "Walk":
        """After the segments up to ``segment_id``, whether or not there are more."""
        if more:
            return replace(self, to=segment_id)
        return Walk(to=BEFORE_ALL if self.again else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Publisher:
    """``last_day`` is the last day of the windows to publish, None before the first publication.

    ``building`` if the walk also makes the sums that do not exist yet. ``partly_folded`` if there were more changes
    than fit in one transaction, so that the sums are not those of any moment.
    """

    last_day: date | None
    walk: Walk
    building: bool
    partly_folded: bool

    @property
    def made_to(self) -> int | None:
        """The last segment whose sums the walk has made; None if those of all exist."""
        return self.walk.to if self.building else None

    def on(self, today: date) -> date:
        """The last day to publish today."""
        return last_day_to_publish(today, published=self.last_day)

    def begun(self, day: date) -> "Publisher":
        """With ``day`` as the last day, and the walk to it started."""
        return replace(self, last_day=day, walk=self.walk.started())

    def walked(self, segment_id: int, *, more: bool) -> "Publisher":
        """After the segments up to ``segment_id``, whether or not there are more."""
        return replace(self, walk=self.walk.after(segment_id, more=more), building=self.building and more)


def moment_in(day: date, now: datetime, zone: ZoneInfo) -> datetime:
    """``now``, or the moment of ``day`` that is nearest to it: scores of a day are published at a time of that day."""
    return min(max(now, start_of(day, zone)), end_of(day, zone))
