"""Whether an e-mail address can be written to, and how it goes on the wire.

Narrower than RFC 5322 §3.4.1 on purpose: quoted local parts, comments and address literals are real in the grammar and
slips or attacks in a shop's customer data.
"""

import re
from typing import NewType

import idna

Mailbox = NewType("Mailbox", str)
"""An address checked by ``mailbox``: ASCII, without blanks or control characters, its domain in IDNA's ASCII form."""

LONGEST = 254
"""Characters a mailbox may have: RFC 5321 §4.5.3.1.3, 256 with its angle brackets."""
LONGEST_LOCAL_PART = 64

_LOCAL_PART = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_DOMAIN_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")


class BadAddress(ValueError):
    """Nothing can be sent to this address. The message gives the rule and never the address, which is personal."""


def mailbox(address: str) -> Mailbox:
    """The address as SMTP takes it: blanks around it gone, a domain such as ``bücher.example`` in its ASCII form.

    Raises BadAddress, also for a local part that is not ASCII: few servers take one (RFC 6531).
    """
    local_part, at, domain = address.strip().rpartition("@")
    if not at or not domain:
        raise BadAddress("an e-mail address needs an @ with something on both sides")
    if len(local_part) > LONGEST_LOCAL_PART or not _LOCAL_PART.fullmatch(local_part):
        raise BadAddress("what stands before the @ must be 1 to 64 plain letters, digits and signs without blanks")
    try:
        # Not the standard library's codec: under the rules of 2003 straße.example is strasse.example, a stranger's.
        ascii_domain = idna.encode(domain, uts46=True).decode() if not domain.isascii() else domain
    except UnicodeError as error:
        raise BadAddress("the domain after the @ is no internationalised domain name") from error
    if not all(_DOMAIN_LABEL.fullmatch(label) for label in ascii_domain.split(".")):
        raise BadAddress("the domain after the @ must be names of letters, digits and hyphens between dots")
    if len(local_part) + 1 + len(ascii_domain) > LONGEST:
        raise BadAddress(f"the address is longer than {LONGEST} characters")
    return Mailbox(f"{local_part}@{ascii_domain.lower()}")


def domain_of(address: Mailbox) -> str:
    return address.rpartition("@")[2]
