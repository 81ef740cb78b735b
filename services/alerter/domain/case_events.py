"""The events of a case: their body is the whole case with its answer, customer and order, or empty once erased."""

from collections.abc import Sequence

from services.alerter.domain.case import Case, CaseContext, Step
from services.alerter.domain.customers import Customer
from services.alerter.domain.orders import Order
from shared.contracts import followups
from shared.contracts.answers import Answer
from shared.contracts.events import Event
from shared.nps import group_of


def body(case: Case, context: CaseContext) -> followups.Case:
    """The case as published on its queue's topic and returned by the API.

    Raises ValueError for a case without a queue, which was erased before it was ever published.
    """
    if case.queue is None:
        raise ValueError(f"the case {case.case_id} was erased before it was opened; it is not published anywhere")
    return followups.Case(
        case_id=case.case_id,
        queue=case.queue,
        status=case.status,
        sequence=case.sequence,
        opened_at=case.opened_at,
        changed_at=case.changed_at,
        due_at=case.due_at,
        owner=case.owner,
        suggested_action=case.suggested_action,
        closed_reason=case.closed_reason,
        root_cause=case.root_cause,
        answer=None if case.answer is None else _answer(case.answer),
        customer=_customer(case.answer, context.customer),
        order=_order(case.answer, context.order),
    )


def events(steps: Sequence[Step], context: CaseContext) -> list[Event]:
    """The events of the steps, each with the whole case after it."""
    return [
        followups.event(step.event_type, body(step.case, context))
        for step in steps
        if step.event_type is not None and step.case.queue is not None
    ]


def _answer(answer: Answer) -> followups.CaseAnswer:
    # Not checked again: it was when it was received, and a newer release may have received a channel unknown here.
    return followups.CaseAnswer.model_construct(
        answer_id=answer.answer_id,
        revision=answer.revision,
        score=answer.score,
        group=group_of(answer.score),
        answered_at=answer.answered_at,
        channel=answer.channel,
        campaign=answer.campaign,
        comment=answer.comment,
        segments=answer.segments,
    )


def _customer(answer: Answer | None, customer: Customer | None) -> followups.CaseCustomer | None:
    if answer is None or answer.customer_id is None:
        return None
    if customer is None:
        return followups.CaseCustomer(customer_id=answer.customer_id, locale=answer.locale)
    return followups.CaseCustomer(
        customer_id=answer.customer_id,
        name=customer.name,
        email=customer.email,
        phone=customer.phone,
        locale=customer.locale or answer.locale,
    )


def _order(answer: Answer | None, order: Order | None) -> followups.CaseOrder | None:
    if answer is None or answer.order_id is None:
        return None
    if order is None:
        return followups.CaseOrder(order_id=answer.order_id)
    described = order.description
    return followups.CaseOrder(
        order_id=order.order_id,
        status=order.status,
        placed_at=order.placed_at,
        promised_at=order.promised_at,
        delivered_at=order.delivered_at,
        total=order.total,
        products=[] if described is None else list(described.products),
    )
