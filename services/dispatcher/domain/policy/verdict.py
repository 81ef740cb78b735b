"""A rule's objection, and the final decision."""

from dataclasses import dataclass
from datetime import datetime

from services.dispatcher.domain.reasons import Outcome, Reason
from services.dispatcher.domain.segments import Segments
from services.dispatcher.domain.timers import Timer


@dataclass(frozen=True, slots=True)
class Objection:
    """Why a survey is not sent now. ``until`` is when to check it again; None means never.

    ``because_of`` is the campaign it has to wait for.
    """

    reason: Reason
    until: datetime | None = None
    because_of: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """``outcome`` is SENT, SKIPPED or DEFERRED.

    ``until`` is when a deferred timer is checked again, or when an expired one could have been sent. ``because_of`` is
    the campaign it waits for, or whose survey stands in its way; ``segments`` are those of a survey sent.
    """

    timer: Timer
    outcome: Outcome
    reason: Reason
    until: datetime | None = None
    because_of: str | None = None
    segments: Segments | None = None
