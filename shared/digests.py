"""What remains of a customer after an erasure: a keyed digest that recognises the id without revealing it."""

import hashlib
import hmac
from uuid import UUID

_PURPOSE = b"hearback.erasure\x1f"


class CustomerDigests:
    """HMAC-SHA256 of customer ids (RFC 2104): without ``secret`` nobody can try ids against a stored digest.

    Every service must use the same secret; with a different one, customers erased before are not recognised.
    """

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()

    def digest(self, customer_id: str) -> bytes:
        """The 32-byte digest of a customer."""
        return hmac.new(self._secret, _PURPOSE + customer_id.encode(), hashlib.sha256).digest()

    def key(self, customer_id: str) -> UUID:
        """The first 16 bytes of the digest as a UUID, for use as a table's key."""
        return UUID(bytes=self.digest(customer_id)[:16])
