"""Whether an email address can be used, and its form on the wire.

Deliberately stricter than RFC 5322 §3.4.1: quoted local parts, comments and address literals are valid grammar, but in
a shop's customer data they are typos or attacks. More lenient in what nobody can see or mistake: characters of a
Japanese keyboard in full width, invisible ones that came along with a copied address, and the dots which Japanese
carriers once allowed anywhere in a local part (``a..b.@example.jp``).
"""

import re
from typing import NewType

import idna

Mailbox = NewType("Mailbox", str)
"""An address checked by ``mailbox``: ASCII, without blanks or control characters, its domain in IDNA's ASCII form. The
local part is in quotes where RFC 5321 §4.1.2 requires it, which among those accepted is for dots only."""

MAX_LENGTH = 254
"""Characters of a mailbox: RFC 5321 §4.5.3.1.3 allows 256 including its angle brackets."""
MAX_LOCAL_PART = 64

_LOCAL_PART = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-][A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]*")
# Those of most people, with nothing that ``mailbox`` would change but capitals; short enough for every limit.
_PLAIN = re.compile(r"[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*@[A-Za-z0-9]+(?:[.-][A-Za-z0-9]+)*")
_LONGEST_PLAIN = 64
_NEEDS_QUOTES = re.compile(r"\.\.|\.$")
_QUOTED = re.compile(r'"([^"]*)"')
_DOMAIN_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
# U+FF01 to U+FF5E are ASCII's ! to ~ in full width, U+3000 the blank between them.
_FULL_WIDTH = {0xFF01 + offset: 0x21 + offset for offset in range(0x5E)} | {0x3000: " "}
# Zero-width and bidirectional marks, which people copy along unseen. Those that join letters may belong to a domain.
_INVISIBLE = dict.fromkeys([0xAD, 0x200B, 0x200E, 0x200F, 0xFEFF, *range(0x202A, 0x202F), *range(0x2060, 0x206A)])
_JOINERS = dict.fromkeys((0x200C, 0x200D))


class InvalidAddress(ValueError):
    """The address cannot be used. The message names the rule, never the address, which is personal data."""


def mailbox(address: str) -> Mailbox:
    """The address for SMTP: trimmed, with a domain such as ``bücher.example`` in its ASCII form.

    Raises InvalidAddress, also for a local part that is not ASCII: few servers accept one (RFC 6531).
    """
    visible = address.translate(_FULL_WIDTH).translate(_INVISIBLE).strip()
    local_part, at, domain = visible.rpartition("@")
    if not at or not domain:
        raise InvalidAddress("an email address needs an @ with something on both sides")
    local_part = local_part.translate(_JOINERS)
    if (quoted := _QUOTED.fullmatch(local_part)) and _NEEDS_QUOTES.search(quoted[1]):
        local_part = quoted[1]
    if len(local_part) > MAX_LOCAL_PART or not _LOCAL_PART.fullmatch(local_part):
        raise InvalidAddress(
            f"the part before the @ must be 1 to {MAX_LOCAL_PART} ASCII letters, digits and symbols, without spaces"
        )
    try:
        # Not the standard library's codec: IDNA 2003 maps straße.example to strasse.example, somebody else's domain.
        ascii_domain = idna.encode(domain, uts46=True).decode() if not domain.isascii() else domain
    except UnicodeError as error:
        raise InvalidAddress("the domain after the @ is not a valid internationalised domain name") from error
    if not all(_DOMAIN_LABEL.fullmatch(label) for label in ascii_domain.split(".")):
        raise InvalidAddress("the domain after the @ must be labels of letters, digits and hyphens joined by dots")
    if len(local_part) + 1 + len(ascii_domain) > MAX_LENGTH:
        raise InvalidAddress(f"the address is longer than {MAX_LENGTH} characters")
    written = f'"{local_part}"' if _NEEDS_QUOTES.search(local_part) else local_part
    return Mailbox(f"{written}@{ascii_domain.lower()}")


def is_usable(address: str) -> bool:
    """Whether ``mailbox`` accepts it."""
    try:
        mailbox(address)
    except InvalidAddress:
        return False
    return True


def comparable(address: str) -> str:
    """The address in the form in which two spellings of one mailbox are equal: as ``mailbox`` has it, in lower case.

    RFC 5321 §2.4 leaves a local part's case to its server; no provider of mailboxes tells ``Ana@`` from ``ana@``. An
    address that cannot be used is only trimmed and in lower case.
    """
    if len(address) <= _LONGEST_PLAIN and _PLAIN.fullmatch(address):
        return address.lower()
    try:
        return mailbox(address).lower()
    except InvalidAddress:
        return address.strip().casefold()


def domain_of(address: Mailbox) -> str:
    """The part after the @, in ASCII and lower case."""
    return address.rpartition("@")[2]
