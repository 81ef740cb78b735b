"""The inbox's words for times, groups and channels."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from shared.nps import Group

Urgency = Literal["calm", "soon", "overdue"]

_SOON = timedelta(hours=2)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class TimeLeft:
    words: str
    urgency: Urgency


def time_left(left: timedelta | None) -> TimeLeft | None:
    """How urgent a case is; None without a deadline. ``soon`` is the last two hours."""
    if left is None:
        return None
    if left < timedelta(0):
        return TimeLeft(f"{span(-left)} overdue", "overdue")
    if left < _SOON:
        return TimeLeft(f"{span(left)} left", "soon")
    return TimeLeft(f"{span(left)} left", "calm")


def span(length: timedelta) -> str:
    """A duration in the largest unit that is precise enough: ``45 min``, ``3 h``, ``2 days``."""
    minutes = int(length.total_seconds() // 60)
    if minutes < 120:
        return f"{minutes} min"
    if length < 2 * _DAY:
        return f"{minutes // 60} h"
    return f"{length.days} days"


def lateness(*, promised: datetime | None, delivered: datetime | None, now: datetime) -> str | None:
    """Whether an order arrived when promised; None without a promise, or while the day is still to come."""
    if promised is None:
        return None
    late = (delivered or now) - promised
    if delivered is None:
        return f"promised {span(late)} ago, not delivered" if late > timedelta(0) else None
    if late > timedelta(0):
        return f"{span(late)} later than promised"
    return "on time"


def first_words(text: str, most: int = 120) -> str:
    """The beginning of a text on one line, cut between words if possible."""
    line = " ".join(text.split())
    if len(line) <= most:
        return line
    cut = line[:most]
    space = cut.rfind(" ")
    return (cut[:space] if space > most // 2 else cut).rstrip(" ,.;:–-") + "…"


GROUP_WORDS: dict[Group, str] = {"detractor": "Detractor", "passive": "Passive", "promoter": "Promoter"}

CHANNEL_WORDS: dict[str, str] = {
    "email": "by email",
    "sms": "by text message",
    "webhook": "through the shop",
    "widget": "on the shop’s website",
    "api": "through the shop",
    "link": "via a link",
    "import": "imported from elsewhere",
}
