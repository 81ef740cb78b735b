"""Signed links to customer pages: unguessable, without personal data, each valid for one purpose only.

A link says whose survey it is; whether that may still be answered is decided by the collector's ``domain/surveys.py``.
"""

import hmac
from typing import Literal

from itsdangerous import BadSignature, Signer

Purpose = Literal["answer", "unsubscribe"]
BROKEN_LINK = "this link is incomplete or was altered; use the one in the email"
_PATHS: dict[Purpose, str] = {"answer": "/s/", "unsubscribe": "/unsubscribe/"}


class BrokenLink(ValueError):
    """The link is not ours, or was truncated or altered."""


class Links:
    """Makes and verifies the tokens. All services share one secret; the collector serves the URLs."""

    def __init__(self, *, secret: str, collector_url: str) -> None:
        self._collector_url = collector_url.rstrip("/")
        self._signers = {
            purpose: Signer(secret, salt=f"hearback.{purpose}", sep=".", key_derivation="hmac") for purpose in _PATHS
        }

    def token(self, purpose: Purpose, send_id: str) -> str:
        return self._signers[purpose].sign(send_id).decode()

    def answer_url(self, send_id: str) -> str:
        return f"{self._collector_url}{_PATHS['answer']}{self.token('answer', send_id)}"

    def unsubscribe_url(self, send_id: str) -> str:
        return f"{self._collector_url}{_PATHS['unsubscribe']}{self.token('unsubscribe', send_id)}"

    def send_id_of(self, token: str, purpose: Purpose) -> str:
        """The send of a token. Raises BrokenLink unless it is exactly the token we issued for this purpose."""
        try:
            send_id = self._signers[purpose].unsign(token).decode()
        except (BadSignature, UnicodeError):
            send_id = None
        # Base64 has several encodings of the same signature (+ for -, unused last bits); only ours is accepted.
        if send_id is None or not hmac.compare_digest(token.encode(), self.token(purpose, send_id).encode()):
            raise BrokenLink(BROKEN_LINK)
        return send_id
