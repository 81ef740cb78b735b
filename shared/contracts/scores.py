"""``nps.scores``: the Net Promoter Score of one campaign, window and segment, each time it changes."""

from typing import Annotated, Literal

from pydantic import Field

from shared.contracts import identity
from shared.contracts.events import Event
from shared.contracts.types import Contract, Instant, Text

TOPIC = "nps.scores"

UPDATED = "score.updated"

Window = Literal["7d", "30d", "90d", "365d", "all"]
WINDOW_DAYS: dict[Window, int | None] = {"7d": 7, "30d": 30, "90d": 90, "365d": 365, "all": None}
WINDOWS: tuple[Window, ...] = tuple(WINDOW_DAYS)
EVERYBODY = "everybody"
ANY_CAMPAIGN = "*"

Count = Annotated[int, Field(ge=0)]
Points = Annotated[float, Field(ge=-100, le=100)]


class ScoreUpdated(Contract):
    """NPS points from −100 to 100 with a 95% interval; ``nps`` is null without answers.

    ``segment`` is ``dimension:value`` or ``everybody``; ``campaign`` is an id or ``*`` for all campaigns. ``sequence``
    increases with each update of the same key, so that duplicate and stale records are recognised. ``change`` is the
    difference to the preceding window of the same length; it is null for ``all`` and when either window is empty.
    """

    campaign: Text
    window: Window
    segment: Text
    at: Instant
    sequence: Annotated[int, Field(ge=1)]
    nps: Points | None = None
    low: Points
    high: Points
    n: Count
    promoters: Count
    passives: Count
    detractors: Count
    held_back: bool
    delivered: Count | None = None
    response_rate: Annotated[float, Field(ge=0)] | None = None
    change: Annotated[float, Field(ge=-200, le=200)] | None = None
    change_significant: bool | None = None


def score_key(*, campaign: str, window: str, segment: str) -> str:
    """The record's key: the three parts joined by U+001F, which none of them can contain."""
    return f"{campaign}\x1f{window}\x1f{segment}"


def event(body: ScoreUpdated) -> Event:
    """The event that publishes one update of a score."""
    key = score_key(campaign=body.campaign, window=body.window, segment=body.segment)
    return Event(
        topic=TOPIC,
        key=key,
        event_id=identity.event_id(UPDATED, key, body.sequence),
        type=UPDATED,
        time=body.at,
        body=body,
    )
