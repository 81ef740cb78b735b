"""The inbox's words: for times, a case's history, and codes such as statuses and channels."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from services.alerter.domain.case import Entry
from services.alerter.domain.routing import Routing
from shared.nps import Group
from shared.texts.lines import one_line

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
WAY_WORDS: dict[str, str] = {
    "email": "Email",
    "phone": "Phone",
    "chat": "Chat",
    "post": "Post",
    "other": "Other",
}
REASON_WORDS: dict[str, str] = {
    "resolved": "Resolved",
    "no_reply": "No reply",
    "no_action_needed": "No action needed",
    "not_reachable": "Could not be reached",
    "duplicate": "Duplicate",
}
STATUS_WORDS: dict[str, str] = {
    "waiting": "Waiting",
    "open": "Open",
    "assigned": "Assigned",
    "contacted": "Contacted",
    "escalated": "Escalated",
    "closed": "Closed",
    "any": "All",
}

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


def since(status: str, length: timedelta) -> str | None:
    """What a list says of a case without a deadline to meet: ``Contacted 3 h ago``; None while nobody has acted."""
    if status not in ("contacted", "closed"):
        return None
    ago = f"{span(length)} ago" if length >= timedelta(minutes=1) else "just now"
    return f"{STATUS_WORDS[status]} {ago}"


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
    line = one_line(text)
    if len(line) <= most:
        return line
    cut = line[:most]
    space = cut.rfind(" ")
    return (cut[:space] if space > most // 2 else cut).rstrip(" ,.;:–-") + "…"


def what_happened(entry: Entry, routing: Routing) -> str:
    """An entry of the history as a sentence."""
    details = entry.details
    score = details.get("score")
    before = details.get("score_before")
    rescored = before is not None and before != score
    match entry.kind:
        case "opened":
            return f"The case was opened for a score of {score}."
        case "amended":
            changed = f"The customer changed the score from {before} to {score}."
            return changed if rescored else "The customer added to their answer."
        case "moved":
            queue = str(details.get("queue_before"))
            return f"Moved here from “{routing.queues.get(queue, queue)}”: the score changed from {before} to {score}."
        case "reopened":
            if entry.actor is not None:
                return "Reopened."
            if rescored:
                return f"Reopened: the customer changed the score from {before} to {score}."
            return "Reopened: the customer added to their answer."
        case "assigned":
            owner = details.get("owner")
            return "Took the case." if owner == entry.actor else f"Assigned the case to {owner}."
        case "contacted":
            way = WAY_WORDS.get(str(details.get("way")), "Other")
            return f"Contacted the customer ({way.lower()})."
        case "note":
            return "Added a note:"
        case "closed":
            reason = REASON_WORDS.get(str(details.get("reason")), str(details.get("reason")))
            cause = details.get("root_cause")
            return f"Closed: {reason.lower()}." + (f" Root cause: {cause}." if cause else "")
        case "erased":
            return "The customer’s data was erased."
    return entry.kind
