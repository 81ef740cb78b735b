"""What a mail server's reply means for the message."""

import re
from typing import Literal

from shared.transmission import TransmissionOutcome

Stage = Literal["recipient", "content"]

# RFC 3463: class, subject and detail; the text after it may repeat the address, so it is never stored.
_ENHANCED_STATUS = re.compile(r"\s*([245]\.\d{1,3}\.\d{1,3})\b")
# Shutting down, unknown command, bad sequence, authentication required: about us or the server, not the recipient.
_NOT_ABOUT_RECIPIENTS = frozenset({421, 500, 502, 503, 530})
# RFC 3463 §3.8: the server's policy rejects us, which says nothing about the recipient's mailbox.
_POLICY = "5.7."


def outcome_of_reply(stage: Stage, code: int, text: str) -> TransmissionOutcome:
    """What a reply other than success means for this message, at RCPT (``recipient``) or at DATA (``content``).

    RFC 5321 §4.2.1: 4yz may succeed on retry, 5yz will not; at RCPT some of either are not about this message.
    Any other reply to the content leaves it open whether the server has it.
    """
    status = _ENHANCED_STATUS.match(text)
    enhanced = status.group(1) if status else ""
    reason = f"{code} {enhanced}".rstrip()
    if stage == "recipient" and code in _NOT_ABOUT_RECIPIENTS:
        return TransmissionOutcome("unavailable", reason)
    if stage == "content" and not 400 <= code < 600:
        return TransmissionOutcome("unresolved", reason)
    if not 500 <= code < 600:
        return TransmissionOutcome("put_off", reason)
    if stage == "recipient" and not enhanced.startswith(_POLICY):
        return TransmissionOutcome("bounced", reason)
    return TransmissionOutcome("failed", reason)
