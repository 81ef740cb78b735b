"""Deterministic ids: the same thing always gets the same id, so that duplicates are recognised.

UUID version 5 (RFC 9562 §5.5) over a fixed namespace and a purpose, so that ids of different purposes never collide.
"""

from uuid import UUID, uuid5

_NAMESPACE = UUID("6f0b6a52-3f0e-5d0b-9a3c-1d7a7a3e6b51")


def _name(purpose: str, *parts: str) -> str:
    # Each part is prefixed with its length, so that ("a", "bc") and ("ab", "c") differ.
    return str(uuid5(_NAMESPACE, purpose + "".join(f"|{len(part)}:{part}" for part in parts)))


def timer_id(*, campaign: str, customer_id: str, order_id: str | None, occurrence: int = 0) -> str:
    """One survey of one customer under one campaign: about an order, or the nth of a recurring campaign."""
    return _name("timer", campaign, customer_id, order_id or "", str(occurrence))


def send_id(timer: str) -> str:
    return _name("send", timer)


def answer_id(send: str) -> str:
    """All answers to one survey are revisions of one answer."""
    return _name("answer", send)


def keyed_answer_id(idempotency_key: str) -> str:
    """The answer that a repeated Idempotency-Key refers to."""
    return _name("keyed-answer", idempotency_key)


def case_id(answer: str) -> str:
    return _name("case", answer)


def event_id(event_type: str, *parts: str | int) -> str:
    """The ``ce_id`` of an event we publish, derived from the parts that identify it."""
    return _name("event", event_type, *(str(part) for part in parts))
