"""A delivery, from the queue to its final state."""

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from datetime import datetime
from typing import Literal

from services.dispatcher.domain.customers import Customer
from services.dispatcher.domain.reasons import Reason
from shared.contracts.preferences import ChannelState
from shared.contracts.sends import SurveySent

End = Literal["accepted", "bounced", "failed", "held"]
"""``held``: whether it arrived is unknown, and it is not retried, so that no customer gets it twice."""

EXPIRED = "expired"
GAVE_UP = "gave_up"
UNUSABLE = "unusable"
UNKNOWN_OUTCOME = "unknown_outcome"
INVALID_ADDRESS = "invalid_address"
BAD_LINK = "bad_link"
CHANNEL_UNSUPPORTED = "channel_unsupported"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDelivery:
    """A survey to deliver, as it comes from ``surveys.sends``."""

    survey: SurveySent
    message_id: str
    traceparent: str | None


@dataclass(frozen=True, slots=True)
class QueuedDelivery:
    """A survey whose turn has come. ``attempts`` counts earlier attempts that the server deferred."""

    survey: SurveySent
    message_id: str
    attempts: int


@dataclass(frozen=True, slots=True)
class UnresolvedDelivery:
    """A message that may or may not have arrived; ``resent``: it was already resent without a receipt."""

    message_id: str
    resent: bool


@dataclass(frozen=True, slots=True)
class Ending:
    """How a delivery ended; ``reason`` is a code, absent when accepted."""

    send_id: str
    state: End
    _: KW_ONLY
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedDelivery:
    """A delivery that has just ended, with what its event needs."""

    ending: Ending
    campaign: str
    traceparent: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """A message to retry after ``seconds`` (real time); ``tries`` is 0 when the message itself was not attempted."""

    send_id: str
    reason: str | None
    seconds: float
    tries: int


@dataclass(frozen=True, slots=True)
class Results:
    """The results of deliveries in transmission: ended, to retry, or (send ids) unresolved."""

    endings: Sequence[Ending] = field(default_factory=tuple)
    retries: Sequence[Retry] = field(default_factory=tuple)
    unresolved: Sequence[str] = field(default_factory=tuple)

    def __add__(self, other: "Results") -> "Results":
        return Results(
            [*self.endings, *other.endings],
            [*self.retries, *other.retries],
            [*self.unresolved, *other.unresolved],
        )

    def __bool__(self) -> bool:
        return bool(self.endings or self.retries or self.unresolved)

    def one_by_one(self) -> "list[Results]":
        """Each delivery's result by itself."""
        return [
            *(Results(endings=[each]) for each in self.endings),
            *(Results(retries=[each]) for each in self.retries),
            *(Results(unresolved=[each]) for each in self.unresolved),
        ]


def obstacle(
    survey: SurveySent,
    customer: Customer | None,
    suppressed: Mapping[str, ChannelState],
    *,
    stopped: str | None,
    channel: str,
    now: datetime,
) -> Ending | None:
    """Why this survey is no longer sent by ``channel``; None when it is. ``customer`` None: an unknown customer.

    ``suppressed`` is what the suppression list says about the customer and the survey's address, by channel;
    ``stopped`` is why its order is no longer asked about, such as ``order_cancelled``.
    """
    reason = _unreachable(survey, customer or Customer(customer_id=survey.customer_id), suppressed)
    if reason is None:
        reason = stopped
    if reason is None and survey.channel != channel:
        reason = CHANNEL_UNSUPPORTED
    # At that moment the link still takes an answer, but no message would arrive in time.
    if reason is None and now >= survey.expires_at:
        reason = EXPIRED
    return Ending(survey.send_id, "failed", reason=reason) if reason is not None else None


def _unreachable(survey: SurveySent, customer: Customer, suppressed: Mapping[str, ChannelState]) -> str | None:
    """What has happened since the decision that now forbids sending it; None when nothing has."""
    if customer.was_erased_by(survey.sent_at):
        return "erased"
    reason = customer.unreachable_by(survey.channel, suppressed)
    # The survey carries the address it was decided for, which the customer may no longer have.
    return None if reason in (Reason.NO_ADDRESS, Reason.UNUSABLE_ADDRESS) else reason
