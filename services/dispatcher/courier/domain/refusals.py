"""Which refusals are about the message or its recipient, and which are the server's word about us.

A server that suspended our account, or has us on a list, refuses everybody, often with the very reply it has for a
mailbox that does not exist. So a refusal is believed once the server has accepted another message after it. Until then
the message stays in the queue.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from weakref import WeakSet

from shared.transmission import Kind, TransmissionOutcome

POSSIBLY_ABOUT_US: tuple[Kind, ...] = ("bounced", "failed", "misconfigured")
"""Outcomes that a server which has something against us gives, too."""

# A server that nobody else is written to through: the third time, there really is no such mailbox.
_TRIES_UNTIL_GONE = 3
# Messages. Those doubted longest are forgotten first: they are then doubted once more.
_MOST_DOUBTED = 10_000


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to hand a message over; ``put_off_before`` is how often it was deferred before."""

    send_id: str
    put_off_before: int
    outcome: TransmissionOutcome


class Refusals:
    """What one server has refused since it last accepted a message. ``many`` messages refused alike are too many to be
    about each of them."""

    def __init__(self, many: int) -> None:
        self._many = many
        self._acceptances = 0
        self._doubted: dict[str, int] = {}
        self._alike: dict[TransmissionOutcome, set[str]] = {}
        self._bursts: WeakSet[Burst] = WeakSet()

    def burst(self) -> "Burst":
        """A new burst of attempts. Several may be under way at once."""
        burst = Burst(self)
        self._bursts.add(burst)
        return burst

    def accepted(self) -> None:
        self._acceptances += 1
        self._alike.clear()
        for burst in self._bursts:
            burst.settle()

    def is_believed(self, attempt: Attempt) -> bool:
        """Whether the server has accepted a message since it refused this one the time before."""
        before = self._doubted.get(attempt.send_id)
        return before is not None and before < self._acceptances

    def doubt(self, attempt: Attempt) -> None:
        """Waits for the next acceptance before a further refusal of this message is believed."""
        self.forget(attempt)
        self._doubted[attempt.send_id] = self._acceptances
        if len(self._doubted) > _MOST_DOUBTED:
            del self._doubted[next(iter(self._doubted))]

    def believed(self, attempt: Attempt) -> Attempt:
        """What a refusal that is about the message comes to."""
        if attempt.outcome.kind != "misconfigured":
            self.forget(attempt)
            return attempt
        # Others are accepted: what looked like our set-up concerns this message, and may be mended while it waits.
        self.doubt(attempt)
        return replace(attempt, outcome=TransmissionOutcome("put_off", attempt.outcome.reason))

    def forget(self, attempt: Attempt) -> None:
        self._doubted.pop(attempt.send_id, None)

    def judged(self, doubtful: Sequence[Attempt]) -> list[Attempt]:
        """Attempts refused in one burst, with no message accepted after them, and what to make of them."""
        for attempt in doubtful:
            alike = self._alike.setdefault(attempt.outcome, set())
            if len(alike) < self._many:
                alike.add(attempt.send_id)
        return [self._judged(attempt) for attempt in doubtful]

    def _judged(self, attempt: Attempt) -> Attempt:
        outcome = attempt.outcome
        common = len(self._alike[outcome]) >= self._many
        if outcome.kind == "bounced" and not common and attempt.put_off_before + 1 >= _TRIES_UNTIL_GONE:
            self.forget(attempt)
            return attempt
        self.doubt(attempt)
        if outcome.kind == "misconfigured":
            return attempt
        return replace(attempt, outcome=TransmissionOutcome("refuses_all" if common else "put_off", outcome.reason))


class Burst:
    """The attempts of one burst, in the order in which they end; a refusal is settled by the next acceptance, in this
    or another burst."""

    def __init__(self, refusals: Refusals) -> None:
        self._refusals = refusals
        self._doubtful: list[Attempt] = []
        self._certain: list[Attempt] = []

    def settled_by(self, attempt: Attempt) -> list[Attempt]:
        """The attempts whose outcome is certain now that this one has ended."""
        self._end(attempt)
        settled, self._certain = self._certain, []
        return settled

    def settle(self) -> None:
        """The server has accepted a message: what it refused before was about those messages."""
        self._certain += [self._refusals.believed(each) for each in self._doubtful]
        self._doubtful.clear()

    def end(self) -> list[Attempt]:
        """What is to be made of the refusals that nothing settled, and those that another burst has settled since."""
        settled, self._certain = self._certain, []
        doubtful, self._doubtful = self._doubtful, []
        return settled + self._refusals.judged(doubtful)

    def _end(self, attempt: Attempt) -> None:
        kind = attempt.outcome.kind
        if kind == "accepted":
            self._refusals.accepted()
            self._refusals.forget(attempt)
            self._certain.append(attempt)
        elif kind not in POSSIBLY_ABOUT_US:
            self._certain.append(attempt)
        elif self._refusals.is_believed(attempt):
            self._certain.append(self._refusals.believed(attempt))
        else:
            self._doubtful.append(attempt)
