"""What follows from an attempt: an ending, a retry with backoff, or neither yet."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from services.dispatcher.courier.domain.deliveries import GAVE_UP, Ending, Results, Retry
from services.dispatcher.courier.domain.refusals import Attempt
from shared.backoff import pause_after, total_of_pauses
from shared.transmission import Kind

NOT_TAKEN: tuple[Kind, ...] = ("unavailable", "misconfigured", "throttled", "refuses_all")
"""The server takes nothing, as long as every outcome is one of these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pauses:
    """Seconds: before the first retry, doubled by each up to the longest; a message is given up once they add up to
    ``give_up``."""

    first: float
    longest: float
    give_up: float


def results_of(attempts: Iterable[Attempt], pauses: Pauses, *, chance: Callable[[], float]) -> Results:
    """What follows from attempts. ``chance`` returns a random number from 0 to 1."""
    endings, retries, unresolved = [], [], []
    for attempt in attempts:
        send_id, outcome = attempt.send_id, attempt.outcome
        match outcome.kind:
            case "accepted" | "bounced" | "failed":
                endings.append(Ending(send_id, outcome.kind, reason=outcome.reason))
            case "unresolved":
                unresolved.append(send_id)
            case "not_begun":
                retries.append(Retry(send_id=send_id, reason=None, seconds=0, tries=0))
            case "put_off" | "throttled":
                tries = attempt.put_off_before + 1
                if total_of_pauses(tries, first=pauses.first, longest=pauses.longest) >= pauses.give_up:
                    endings.append(Ending(send_id, "failed", reason=f"{GAVE_UP} {outcome.reason}"))
                else:
                    retries.append(_retry(attempt, tries, pauses, counted=1, chance=chance()))
            case "unavailable" | "misconfigured" | "refuses_all":
                # Not the message's fault; still, it goes to the back of the queue, in case it is what makes the server
                # hang.
                retries.append(_retry(attempt, attempt.put_off_before, pauses, counted=0, chance=chance()))
    return Results(endings, retries, unresolved)


def _retry(attempt: Attempt, tries: int, pauses: Pauses, *, counted: int, chance: float) -> Retry:
    pause = pause_after(tries, first=pauses.first, longest=pauses.longest)
    return Retry(
        send_id=attempt.send_id,
        reason=attempt.outcome.reason,
        seconds=with_jitter(pause, chance=chance),
        tries=counted,
    )


def with_jitter(pause: float, *, chance: float) -> float:
    """``pause`` ±25 %, so that messages deferred together are not retried together.

    ``chance`` is a random number from 0 to 1.
    """
    return pause * (0.75 + chance / 2)
