"""Answers, orders and sends of one invented customer, whole enough to be valid, changed by keyword."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from services.alerter.domain import customers
from services.alerter.domain.case import CaseContext
from services.alerter.domain.orders import with_event
from services.alerter.domain.routing import Routing, parse
from services.alerter.settings import DEFAULT_ROUTING
from shared.contracts import identity, orders
from shared.contracts.answers import Answer, AnswerErased
from shared.contracts.orders import Customer, Item, Money, OrderEvent
from shared.contracts.preferences import Preference
from shared.contracts.sends import Recipient, SurveySent

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
CASE = identity.case_id("a-1")
"""The case of the answer that ``answer`` makes by default."""


def routing() -> Routing:
    """The rules we ship."""
    return parse(DEFAULT_ROUTING.read_text(), where="default.yaml")


def answer(score: int = 3, revision: int = 1, answer_id: str = "a-1", **other: Any) -> Answer:
    given = {"answered_at": NOON, "received_at": NOON, **other}
    return Answer(answer_id=answer_id, revision=revision, score=score, **given)


def erased(revision: int = 9, answer_id: str = "a-1") -> AnswerErased:
    return AnswerErased(answer_id=answer_id, revision=revision, erased_at=NOON)


def order(order_id: str = "1001", customer_id: str = "c-42", at: datetime = NOON, **other: Any) -> OrderEvent:
    given: dict[str, Any] = {
        "customer": Customer(id=customer_id, name="Ana Prado", email="ana@example.com", phone="+55 11 5550-0199"),
        "items": [Item(name="Wooden train", category="toys")],
        "total": Money(amount=Decimal("159.90"), currency="BRL"),
        "promised_at": NOON - timedelta(days=6),
        **other,
    }
    return OrderEvent(order_id=order_id, occurred_at=at, **given)


def send(send_id: str = "s-1", customer_id: str = "c-42", at: datetime = NOON, **other: Any) -> SurveySent:
    given: dict[str, Any] = {
        "campaign": "product-nps",
        "campaign_version": 1,
        "channel": "email",
        "locale": "pt-BR",
        "recipient": Recipient(address="ana@example.com", name="Ana Prado"),
        "order_id": "1001",
        "segments": {"country": "BR"},
        "answer_url": "http://127.0.0.1/s/token",
        "unsubscribe_url": "http://127.0.0.1/unsubscribe/token",
        "due_at": at,
        "expires_at": at + timedelta(days=30),
        **other,
    }
    return SurveySent(send_id=send_id, customer_id=customer_id, sent_at=at, **given)


def context() -> CaseContext:
    """What ``order`` says about its customer and itself."""
    return CaseContext(
        customer=customers.with_order(customers.Customer(customer_id="c-42"), order()),
        order=with_event(None, orders.PLACED, order()),
    )


def erased_customer(customer_id: str = "c-42", at: datetime = NOON, revision: int = 1) -> Preference:
    return Preference(customer_id=customer_id, revision=revision, occurred_at=at)
