"""Deterministic ids: the same thing always gets the same id, so that duplicates are recognised.

UUID version 5 (RFC 9562 §5.5) over a fixed namespace and a purpose, so that ids of different purposes never collide.
"""

import hashlib
import re
from collections.abc import Iterable
from uuid import UUID, uuid5

_CANONICAL_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").fullmatch
_OTHER_IDS = UUID("0b1d6a0e-9f3b-5b7c-8a54-2f4f5d0c9e11")
_NAMESPACE = UUID("6f0b6a52-3f0e-5d0b-9a3c-1d7a7a3e6b51")
# The digit of a hash to that of a UUID in its place (RFC 9562 §4.1).
_VARIANT = {digit: f"{int(digit, 16) & 0x3 | 0x8:x}" for digit in "0123456789abcdef"}
_OF_NAMESPACE = hashlib.sha1(_NAMESPACE.bytes, usedforsecurity=False)


def _name(purpose: str, *parts: str) -> str:
    # Each part is prefixed with its length, so that ("a", "bc") and ("ab", "c") differ.
    name = purpose + "".join([f"|{len(part)}:{part}" for part in parts])
    # As str(uuid5(_NAMESPACE, name)), in a quarter of its time: every event takes one id or several.
    hashed = _OF_NAMESPACE.copy()
    hashed.update(name.encode())
    digits = hashed.hexdigest()
    return f"{digits[:8]}-{digits[8:12]}-5{digits[13:16]}-{_VARIANT[digits[16]]}{digits[17:20]}-{digits[20:32]}"


def uuid_text(digits: str) -> str:
    """A UUID of these 32 hexadecimal digits."""
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def timer_id(*, campaign: str, customer_id: str, order_id: str | None, occurrence: int = 0) -> str:
    """One survey of one customer under one campaign: about an order, or the nth of a recurring campaign."""
    return _name("timer", campaign, customer_id, order_id or "", str(occurrence))


def send_id(timer: str) -> str:
    return _name("send", timer)


def answer_id(send: str) -> str:
    """All answers to one survey are revisions of one answer."""
    return _name("answer", send)


def keyed_answer_id(*, caller: str, idempotency_key: str) -> str:
    """The answer that a repeated Idempotency-Key of the API client ``caller`` refers to."""
    return _name("keyed-answer", caller, idempotency_key)


def unowned_keyed_answer_id(idempotency_key: str) -> str:
    """The same until 0.1.0, when a key was everybody's. A retry may follow a request from before an upgrade."""
    return _name("keyed-answer", idempotency_key)


def derived_key(identifier: str) -> str | None:
    """A UUID for an id that is not a canonical UUID; None for one that is. Other spellings of a UUID are other ids."""
    return None if _CANONICAL_UUID(identifier) else str(uuid5(_OTHER_IDS, identifier))


def key_of(identifier: str) -> str:
    """The UUID under which an answer or a send is stored where ids would be too long: its id where that is a canonical
    UUID, else one derived from it. A UUID takes 16 bytes in an index, a free-form id up to 200.

    A canonical UUID may equal the one derived from another id. The collector therefore accepts no two answer ids with
    one key; send ids are all canonical.
    """
    return derived_key(identifier) or identifier


def keys_of(identifiers: Iterable[str]) -> list[str]:
    """The same for each of many."""
    return [each if _CANONICAL_UUID(each) else key_of(each) for each in identifiers]


def case_id(answer: str) -> str:
    return _name("case", answer)


def event_id(event_type: str, *parts: str | int) -> str:
    """The ``ce_id`` of an event we publish, derived from the parts that identify it."""
    return _name("event", event_type, *map(str, parts))
