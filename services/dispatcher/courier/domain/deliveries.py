"""A delivery on its way to one of its ends."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from services.dispatcher.courier.domain.outcomes import Outcome
from shared.contracts.sends import SurveySent

End = Literal["accepted", "bounced", "failed", "held"]
"""``held``: the outcome is unknown and the mail is not tried again, lest somebody gets it twice."""

EXPIRED = "expired"
UNKNOWN_OUTCOME = "unknown_outcome"
INVALID_ADDRESS = "invalid_address"
BAD_LINK = "bad_link"
CHANNEL_UNSUPPORTED = "channel_unsupported"


@dataclass(frozen=True, slots=True)
class Waiting:
    """A survey whose turn it is. ``attempts`` are those that were put off before."""

    survey: SurveySent
    message_id: str
    attempts: int


@dataclass(frozen=True, slots=True)
class Ending:
    """How a delivery ended; ``reason`` is a code, absent when accepted."""

    send_id: str
    state: End
    reason: str | None = None


def obstacle(survey: SurveySent, now: datetime, unreachable: str | None) -> Ending | None:
    """Why this survey is not sent any more; None when it is. ``unreachable`` is what the customer has since decided."""
    if unreachable is not None:
        return Ending(survey.send_id, "failed", unreachable)
    if survey.channel != "email":
        return Ending(survey.send_id, "failed", CHANNEL_UNSUPPORTED)
    if now >= survey.expires_at:
        return Ending(survey.send_id, "failed", EXPIRED)
    return None


def ending_of(send_id: str, outcome: Outcome) -> Ending | None:
    """The end an outcome means; None when the delivery goes on."""
    match outcome.kind:
        case "accepted" | "bounced" | "failed":
            return Ending(send_id, outcome.kind, outcome.reason)
        case _:
            return None
