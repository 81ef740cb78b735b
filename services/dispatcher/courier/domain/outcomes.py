"""What became of one attempt to hand a mail over, and what follows from it."""

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal["accepted", "bounced", "failed", "put_off", "unknown", "unbegun"]
"""``accepted``: the server took responsibility (250 after the content).
``bounced``: it says there is no such mailbox. ``failed``: it will never take this mail.
``put_off``: it may take it later. ``unknown``: the connection broke when it may have had the mail already.
``unbegun``: it cannot have the mail, and the reason lies in the server or in us, not in this mail.
"""

Stage = Literal["recipient", "content"]

# RFC 3463: class, subject and detail; the text behind it may repeat the address, so it is never kept.
_ENHANCED_STATUS = re.compile(r"\s*([245]\.\d{1,3}\.\d{1,3})\b")
# No such command, wrong order, please sign in, closing down: said of us or of the server, whoever the recipient is.
_NOT_ABOUT_RECIPIENTS = frozenset({421, 500, 502, 503, 530})
# RFC 3463 §3.8: the server's policy refuses us, which says nothing against the customer's mailbox.
_POLICY = "5.7."


@dataclass(frozen=True, slots=True)
class Outcome:
    """``reason`` is a code such as ``550 5.1.1`` or a word; never a server's text, which may hold the address."""

    kind: Kind
    reason: str | None = None


ACCEPTED = Outcome("accepted")
LATE = Outcome("unbegun", "late")
"""Its turn came when too little of the lease was left, or when the process was told to stop."""


def outcome_of_reply(stage: Stage, code: int, text: str) -> Outcome:
    """What a reply other than success means for this mail, at RCPT (``recipient``) or at DATA (``content``).

    RFC 5321 §4.2.1: 4yz may succeed when tried again, 5yz will not; at RCPT some of either are not about this mail.
    Anything else instead of a refusal of the content does not tell whether the server has it.
    """
    status = _ENHANCED_STATUS.match(text)
    enhanced = status.group(1) if status else ""
    reason = f"{code} {enhanced}".rstrip()
    if stage == "recipient" and code in _NOT_ABOUT_RECIPIENTS:
        return Outcome("unbegun", reason)
    if stage == "content" and not 400 <= code < 600:
        return Outcome("unknown", reason)
    if not 500 <= code < 600:
        return Outcome("put_off", reason)
    if stage == "recipient" and not enhanced.startswith(_POLICY):
        return Outcome("bounced", reason)
    return Outcome("failed", reason)


def pause_seconds(attempts: int, first: float, longest: float, chance: float) -> float:
    """How long to wait after the nth failed attempt: doubling from ``first`` to ``longest``, give or take a quarter.

    ``chance`` is a random number from 0 to 1; it keeps mails that were put off together from coming back together.
    """
    doubled = first * 2.0 ** min(max(attempts, 1) - 1, 30)
    return min(longest, doubled) * (0.75 + chance / 2)
