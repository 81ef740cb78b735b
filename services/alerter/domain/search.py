"""The texts by which a case can be found."""

from services.alerter.domain.case import Case, CaseContext


def searchable_texts(case: Case, context: CaseContext) -> list[str]:
    """Comment, ids, names, addresses, products; nothing once the case was erased."""
    if case.answer is None:
        return []
    texts = [case.answer.comment, case.answer.customer_id, case.answer.order_id, case.owner, case.root_cause]
    texts += case.answer.further_answers.values()
    if context.customer is not None:
        texts += [context.customer.name, context.customer.email, context.customer.phone]
    if context.order is not None and context.order.description is not None:
        texts += context.order.description.products
    return [text for text in texts if text]
