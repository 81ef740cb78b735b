"""What follows from an attempt: an ending, a retry with backoff, or neither yet."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from services.dispatcher.courier.domain.deliveries import Ending, Results, Retry
from shared.backoff import pause_after
from shared.transmission import TransmissionOutcome


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to hand a message over; ``put_off_before`` is how often it was deferred before."""

    send_id: str
    put_off_before: int
    outcome: TransmissionOutcome


def results_of(
    attempts: Iterable[Attempt], *, first_pause: float, longest_pause: float, chance: Callable[[], float]
) -> Results:
    """What follows from a burst's attempts. Pauses are in seconds; ``chance`` returns a random number from 0 to 1."""
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
            case "put_off" | "unavailable":
                # A failing server is not the message's fault; still, the message goes to the back of the queue, in case
                # it is what makes the server hang.
                tries = 1 if outcome.kind == "put_off" else 0
                pause = pause_after(attempt.put_off_before + tries, first=first_pause, longest=longest_pause)
                seconds = with_jitter(pause, chance=chance())
                retries.append(Retry(send_id=send_id, reason=outcome.reason, seconds=seconds, tries=tries))
    return Results(endings, retries, unresolved)


def with_jitter(pause: float, *, chance: float) -> float:
    """``pause`` ±25 %, so that messages deferred together are not retried together.

    ``chance`` is a random number from 0 to 1.
    """
    return pause * (0.75 + chance / 2)
