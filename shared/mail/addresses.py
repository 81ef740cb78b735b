"""Whether an email address can be used, and its form on the wire.

Deliberately stricter than RFC 5322 §3.4.1: quoted local parts, comments and address literals are valid grammar, but in
a shop's customer data they are typos or attacks.
"""

import re
from typing import NewType

import idna

Mailbox = NewType("Mailbox", str)
"""An address checked by ``mailbox``: ASCII, without blanks or control characters, its domain in IDNA's ASCII form."""

MAX_LENGTH = 254
"""Characters of a mailbox: RFC 5321 §4.5.3.1.3 allows 256 including its angle brackets."""
MAX_LOCAL_PART = 64

_LOCAL_PART = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_DOMAIN_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")


class InvalidAddress(ValueError):
    """The address cannot be used. The message names the rule, never the address, which is personal data."""


def mailbox(address: str) -> Mailbox:
    """The address for SMTP: trimmed, with a domain such as ``bücher.example`` in its ASCII form.

    Raises InvalidAddress, also for a local part that is not ASCII: few servers accept one (RFC 6531).
    """
    local_part, at, domain = address.strip().rpartition("@")
    if not at or not domain:
        raise InvalidAddress("an email address needs an @ with something on both sides")
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
    return Mailbox(f"{local_part}@{ascii_domain.lower()}")


def domain_of(address: Mailbox) -> str:
    """The part after the @, in ASCII and lower case."""
    return address.rpartition("@")[2]
