"""What is kept in place of a customer or a mailbox: a digest that recognises them without containing them."""

import hashlib
from uuid import UUID

from shared.mail.addresses import comparable

_PURPOSE = b"hearback.erasure\x1f"
_MAILBOX_PURPOSE = b"hearback.mailbox\x1f"
_KEY_PURPOSE = b"hearback.customer."
_ERASED_KEY_PURPOSE = b"hearback.erased-key\x1f"
_SUBJECT_PURPOSE = b"hearback.subject\x1f"
_ORDER_PURPOSE = b"hearback.order\x1f"


class _Keyed:
    """HMAC-SHA256 (RFC 2104 §4) under one key. The key is hashed once: that, and looking the algorithm up, is most of
    what ``hmac.digest`` takes for a short text."""

    def __init__(self, key: bytes) -> None:
        block = (key if len(key) <= 64 else hashlib.sha256(key).digest()).ljust(64, b"\0")
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in block))

    def digest(self, content: bytes) -> bytes:
        """32 bytes."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(content)
        outer.update(inner.digest())
        return outer.digest()


class CustomerDigests:
    """Digests of customers and mailboxes. ``secret`` must be the same in every process, for as long as any exist."""

    def __init__(self, secret: str) -> None:
        self._keyed = _Keyed(secret.encode())

    def digest(self, customer_id: str) -> bytes:
        """32 bytes, HMAC-SHA256 (RFC 2104): without the secret nobody can try ids against a stored digest."""
        return self._keyed.digest(_PURPOSE + customer_id.encode())

    def mailbox(self, address: str) -> str:
        """64 hexadecimal digits, HMAC-SHA256: the same for every spelling of one mailbox (``Ana@`` and ``ana@``)."""
        return self._keyed.digest(_MAILBOX_PURPOSE + comparable(address).encode()).hex()

    def key(self, customer_id: str) -> UUID:
        """A key for rows of tables that must outlive a change of the secret: 16 bytes of SHA-256, not keyed.

        Rows are stored under it, so another formula would orphan them: an erasure could no longer find what it must
        delete.
        """
        return UUID(bytes=hashlib.sha256(_KEY_PURPOSE + customer_id.encode()).digest()[:16])

    def of_key(self, key: UUID) -> bytes:
        """32 bytes, HMAC-SHA256 of a ``key``: what may stay when the row under it was erased.

        Of the key rather than the id, so that rows from before there was this digest have it, too.
        """
        return self._keyed.digest(_ERASED_KEY_PURPOSE + key.bytes)

    def subject(self, found: str) -> str:
        """32 hexadecimal digits, HMAC-SHA256: of an id of a customer or an order in a record nobody could read."""
        content = found.encode("utf-8", "replace")
        return self._keyed.digest(_SUBJECT_PURPOSE + content).hex()[:32]

    def order(self, order_id: str) -> bytes:
        """32 bytes, HMAC-SHA256: recognises an order of an erased customer."""
        return self._keyed.digest(_ORDER_PURPOSE + order_id.encode())
