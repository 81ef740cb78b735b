"""Signed links to customer pages: unguessable, without personal data, each valid for one purpose only.

A token is the send id, a dot, and 26 letters and digits, all of it in lower case: an HMAC-SHA256 (RFC 2104) of purpose
and id, cut to 128 bits, in Base32 (RFC 4648 §6) without padding. Mail programs lower-case links, wrap them, and take
the character behind one for a part of it; a token is found in what they leave.

A link says whose survey it is; whether that may still be answered is decided by the collector's ``domain/surveys.py``.
"""

import hashlib
import hmac
import re
from base64 import b32encode
from collections.abc import Sequence
from typing import Literal

from itsdangerous import BadSignature, Signer

Purpose = Literal["answer", "unsubscribe"]
BROKEN_LINK = "this link is incomplete or was altered; use the one in the email"
PATHS: dict[Purpose, str] = {"answer": "/s/", "unsubscribe": "/unsubscribe/"}

_SIGNATURE_BYTES = 16
_ID = "[0-9a-z-]{1,200}"
_TOKEN = re.compile(rf"({_ID})\.([a-z2-7]{{26}})")
# Until 0.1.0: Base64, whose upper and lower case differ. Such links are in emails that may still be opened.
_EARLIER_TOKEN = re.compile(rf"{_ID}\.[A-Za-z0-9_-]{{27}}")
# Blanks, the "=" of quoted-printable's line breaks, soft hyphens and invisible characters.
_WRAPPING = re.compile("[\\s=\u00ad\u200b-\u200f\u2060\ufeff]+")
_LONGEST_WRITTEN = 1_000


class BrokenLink(ValueError):
    """The link is not ours, or was truncated or altered."""


class Links:
    """Makes and verifies the tokens. All services share the secrets; the collector serves the URLs.

    The first of ``secrets`` signs; a token of any of them is valid.
    """

    def __init__(self, *, secrets: Sequence[str], collector_url: str) -> None:
        self._secrets = [secret.encode() for secret in secrets]
        self._collector_url = collector_url.rstrip("/")
        self._earlier_signers = {
            purpose: [Signer(secret, salt=f"hearback.{purpose}", sep=".", key_derivation="hmac") for secret in secrets]
            for purpose in PATHS
        }

    def token(self, purpose: Purpose, send_id: str) -> str:
        """Raises ValueError for a send id that has anything but lower-case ASCII letters, digits and hyphens."""
        if not re.fullmatch(_ID, send_id):
            raise ValueError(f"send_id is {send_id!r}; a link's is 1 to 200 of a–z, 0–9 and -, such as a UUID")
        return f"{send_id}.{_signature(self._secrets[0], purpose, send_id)}"

    def answer_url(self, send_id: str) -> str:
        return f"{self._collector_url}{PATHS['answer']}{self.token('answer', send_id)}"

    def unsubscribe_url(self, send_id: str) -> str:
        return f"{self._collector_url}{PATHS['unsubscribe']}{self.token('unsubscribe', send_id)}"

    def send_id_of(self, written: str, purpose: Purpose) -> str:
        """The send of the token in ``written``: the token we issued for this purpose, in upper or lower case, wrapped,
        or with something in front of it or behind it. Raises BrokenLink."""
        unwrapped = _WRAPPING.sub("", written[:_LONGEST_WRITTEN])
        for found in _TOKEN.finditer(unwrapped.lower()):
            send_id, signature = found.groups()
            for secret in self._secrets:
                if hmac.compare_digest(signature, _signature(secret, purpose, send_id)):
                    return send_id
        for found in _EARLIER_TOKEN.finditer(unwrapped):
            if (earlier := self._earlier_send_id(found[0], purpose)) is not None:
                return earlier
        raise BrokenLink(BROKEN_LINK)

    def _earlier_send_id(self, token: str, purpose: Purpose) -> str | None:
        for signer in self._earlier_signers[purpose]:
            try:
                send_id = signer.unsign(token).decode()
            except BadSignature:
                continue
            # Base64 has several encodings of the same signature (unused last bits); only ours is accepted.
            return send_id if hmac.compare_digest(token.encode(), signer.sign(send_id)) else None
        return None


def _signature(secret: bytes, purpose: Purpose, send_id: str) -> str:
    digest = hmac.digest(secret, f"hearback.link\x1f{purpose}\x1f{send_id}".encode(), hashlib.sha256)
    return b32encode(digest[:_SIGNATURE_BYTES]).decode().rstrip("=").lower()
