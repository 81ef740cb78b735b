"""What a mail server's reply means for the message: about the mailbox, about the message, or about us.

The codes alone do not say. Servers answer 550 for a mailbox that does not exist, for a sender on a block list and for a
login that was forgotten; many send no enhanced code (RFC 3463), Cisco's write it as ``#5.1.0``, and 5.7.1 is said of
everything. So words that leave no doubt go first (``phrases.py``), then the enhanced code, then the code. In doubt a
refusal is policy: a customer whose mailbox is wrongly taken for gone is never asked again, whereas one whose mailbox is
wrongly taken to exist is only refused again.
"""

import re
from typing import Literal

from shared.mail.phrases import PHRASES, ReplyClass
from shared.transmission import Kind, TransmissionOutcome

Stage = Literal["connect", "greeting", "login", "sender", "recipient", "data", "content"]
"""What was replied to: the connection; EHLO or STARTTLS; AUTH; MAIL; RCPT; DATA; the content after it."""

_NAMED: tuple[Stage, ...] = ("recipient", "data", "content")
"""When the recipient has been named."""

_ADDRESS = re.compile(r"<?[^\s<>,;:\"()]+@[^\s<>,;:\"()]+>?")
_ENHANCED = re.compile(r"(?:^|(?<=[\s(\[:-]))#?([245]\.\d{1,3}\.\d{1,3})(?![\w.])")

# RFC 3463 §3 and IANA's registry of enhanced status codes. What is not here is temporary, or policy if permanent.
_BY_STATUS: tuple[tuple[ReplyClass, re.Pattern[str]], ...] = (
    ("gone", re.compile(r"5\.(1\.(0|1|2|3|4|6|10)|2\.1)")),
    ("full", re.compile(r"[45]\.2\.2")),
    # Our sender address; a system that takes no mail; our protocol; login and encryption.
    ("set_up", re.compile(r"5\.(1\.[789]|3\.[125]|5\.[0124-6]|7\.([05689]|1[0134]|3[01]))")),
    ("throttled", re.compile(r"4\.(3\.[12]|4\.5|5\.3|7\.28)|5\.(5\.3|7\.28)")),
)
_SET_UP_CODES = frozenset({500, 501, 502, 503, 504, 523, 524, 525, 530, 532, 533, 534, 535, 538})
_SYNTAX_CODES = (500, 501)
_CLOSING = 421
_STORAGE_EXCEEDED = 552
_MESSAGE_TOO_LARGE = "5.3.4"

_KINDS: dict[ReplyClass, Kind] = {
    "gone": "bounced",
    "full": "put_off",
    "policy": "failed",
    "set_up": "misconfigured",
    "throttled": "throttled",
    "temporary": "put_off",
}


def class_of(stage: Stage, code: int, text: str) -> ReplyClass:
    """The class of a 4yz or 5yz reply. ``text`` is of all its lines, without the code before each."""
    said, coded = _class_by_words(text), _class_by_status(_status(text))
    if code < 500:
        if code == _CLOSING or "throttled" in (said, coded):
            return "throttled"
        return next((each for each in (said, coded) if each in ("full", "set_up")), "temporary")
    if stage not in _NAMED:
        # Nobody has been named yet, only the message's size (RFC 1870): all else is about us.
        too_large = stage == "sender" and (code == _STORAGE_EXCEEDED or _status(text) == _MESSAGE_TOO_LARGE)
        return "policy" if too_large else "throttled" if said == "throttled" else "set_up"
    return said or coded or _class_by_code(stage, code, text)


def outcome_of_reply(stage: Stage, code: int, text: str) -> TransmissionOutcome:
    """What a reply other than success means for this message. The reason is its codes: its text may repeat the address.

    A reply to the content that neither accepts nor refuses leaves it open whether the server has it; one to DATA does
    not, because the content is sent only after 354.
    """
    reason = f"{code} {_status(text)}".rstrip()
    named = stage in _NAMED
    if not 400 <= code < 600:
        return TransmissionOutcome(
            "unresolved" if stage == "content" else "put_off" if named else "unavailable", reason
        )
    kind = _KINDS[class_of(stage, code, text)]
    return TransmissionOutcome(kind if named or kind in ("failed", "misconfigured") else "unavailable", reason)


def _class_by_words(text: str) -> ReplyClass | None:
    """Codes are left out of the words, and an address reads "address"."""
    without_codes = _ENHANCED.sub(" ", text[:2_000])
    words = " ".join(_ADDRESS.sub(" address ", without_codes).lower().split())
    return next((found for found, pattern in PHRASES if pattern.search(words)), None)


def _class_by_status(status: str) -> ReplyClass | None:
    return next((found for found, pattern in _BY_STATUS if pattern.fullmatch(status)), None)


def _class_by_code(stage: Stage, code: int, text: str) -> ReplyClass:
    if _status(text):
        return "policy"
    # From DATA on, what has a wrong syntax is the message, such as a line that is too long.
    if code in _SET_UP_CODES and not (stage in ("data", "content") and code in _SYNTAX_CODES):
        return "set_up"
    return "full" if code == _STORAGE_EXCEEDED and stage == "recipient" else "policy"


def _status(text: str) -> str:
    """The first enhanced status code; empty when there is none."""
    found = _ENHANCED.search(text[:200])
    return found[1] if found else ""
