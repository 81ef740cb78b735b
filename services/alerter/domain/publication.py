"""A case as support teams see it: with the answer, the customer and the order, or empty once it was erased."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.alerter.domain.case import Case, Step
from services.alerter.domain.history import Customer, Order
from services.alerter.domain.search import document
from shared.contracts import followups, identity
from shared.contracts.answers import Answer
from shared.contracts.events import Event
from shared.contracts.topics import followup_topic
from shared.nps import group_of


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What else is known around a case: None where nothing is (yet)."""

    customer: Customer | None = None
    order: Order | None = None


NOTHING_KNOWN = Surroundings()


def whole(case: Case, around: Surroundings) -> followups.Case:
    """The case as published on its queue and given by the API.

    Raises ValueError for a case without a queue, which was erased before it was ever published.
    """
    if case.queue is None:
        raise ValueError(f"the case {case.case_id} was erased before it was opened; it is published nowhere")
    bare = case.answer is None
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
        customer=None if bare else _customer(case.answer, around.customer),
        order=None if bare else _order(case.answer, around.order),
    )


def events(steps: Sequence[Step], around: Surroundings) -> list[Event]:
    """The events that tell of the steps, each with the whole case after it."""
    told = []
    for step in steps:
        case = step.case
        if step.event_type is None or case.queue is None:
            continue
        told.append(
            Event(
                topic=followup_topic(case.queue).name,
                key=case.case_id,
                event_id=identity.event_id(step.event_type, case.queue, case.case_id, case.sequence),
                type=step.event_type,
                time=case.changed_at,
                body=whole(case, around),
            )
        )
    return told


def searched(case: Case, around: Surroundings) -> str:
    """The words staff may find a case by."""
    if case.answer is None:
        return ""
    parts = [case.answer.comment, case.answer.customer_id, case.answer.order_id, case.owner, case.root_cause]
    parts += case.answer.further_answers.values()
    if around.customer is not None:
        parts += [around.customer.name, around.customer.email, around.customer.phone]
    if around.order is not None and around.order.description is not None:
        parts += around.order.description.products
    return document(part for part in parts if part)


def _answer(answer: Answer) -> followups.CaseAnswer:
    return followups.CaseAnswer(
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
        placed_at=order.happened.get("placed"),
        promised_at=None if described is None else described.promised_at,
        delivered_at=order.delivered_at,
        total=order.total,
        products=[] if described is None else list(described.products),
    )
