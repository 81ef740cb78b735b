"""Signed links to a customer's own pages: unguessable, without personal data, and each good for one purpose only."""

import hmac
from typing import Literal

from itsdangerous import BadSignature, Signer

Purpose = Literal["answer", "unsubscribe"]
LOST = "this link is incomplete or was changed; use the one in the e-mail"
_PATHS: dict[Purpose, str] = {"answer": "/s/", "unsubscribe": "/unsubscribe/"}


class BadLink(ValueError):
    """The link was not made by us, or was cut short or changed on the way."""


class Links:
    """Makes and reads the tokens. All services share one secret; the collector serves the addresses."""

    def __init__(self, secret: str, collector_url: str) -> None:
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
        """The send a token stands for; BadLink when it is not, letter by letter, the one we made for this purpose."""
        try:
            send_id = self._signers[purpose].unsign(token).decode()
        except (BadSignature, UnicodeError):
            send_id = None
        # Base64 has several spellings of the same signature (+ for -, unused last bits); a link has one.
        if send_id is None or not hmac.compare_digest(token.encode(), self.token(purpose, send_id).encode()):
            raise BadLink(LOST)
        return send_id
