"""The outcome of one attempt to hand a message over: to a mail server, or to another channel's provider."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "accepted", "bounced", "failed", "put_off", "throttled", "unresolved",
    "unavailable", "misconfigured", "refuses_all", "not_begun",
]  # fmt: skip
"""``accepted``: the provider took responsibility for the message.
``bounced``: it says the address does not exist. ``failed``: it permanently rejected this message.
``put_off``: it may accept it later. ``throttled``: likewise, and it asks for fewer or slower ones.
``unresolved``: it may or may not have it, such as when the connection broke before its reply.
``unavailable``: it does not have it, and the cause is the provider, not this message.
``misconfigured``: it does not have it, because the provider refuses us as we are set up. ``refuses_all``: likewise,
because the provider refuses every message alike, whoever it is for.
``not_begun``: it does not have it, because the sender was no longer allowed to begin.
"""

MayBegin = Callable[[float], bool]
"""Whether a message may be handed over in that many seconds (0: now)."""


@dataclass(frozen=True, slots=True)
class TransmissionOutcome:
    """``reason`` is a code such as ``550 5.1.1`` or a word; never a provider's text, which may contain the address."""

    kind: Kind
    reason: str | None = None


ACCEPTED = TransmissionOutcome("accepted")
NOT_BEGUN = TransmissionOutcome("not_begun")
