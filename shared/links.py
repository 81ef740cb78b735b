"""Signed links to a customer's own pages: unguessable, without personal data, and each good for one purpose only."""

from typing import Literal

from itsdangerous import BadSignature, Signer

Purpose = Literal["answer", "unsubscribe"]
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
        """The send a token stands for; BadLink when the signature is not ours for this purpose."""
        try:
            return self._signers[purpose].unsign(token).decode()
        except (BadSignature, UnicodeError) as error:
            raise BadLink("this link is incomplete or was changed; use the one in the e-mail") from error
