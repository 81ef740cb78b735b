"""Promise 2, the other half: of an erased customer nothing personal is left."""

from tools.audit.facts import DatabaseFacts, TopicFacts
from tools.audit.report import Check


def nothing_left(topics: TopicFacts, database: DatabaseFacts) -> Check:
    """No table holds an address of an erased customer, and no answer names them.

    A customer who ordered again afterwards is known again, and is left out. Topics that forget by age are not looked
    at: their period is their promise.
    """
    check = Check("erased customers are gone", 2)
    for customer_id in forgotten(topics):
        check.compared += 1
        for table in database.traces.get(customer_id, ()):
            check.differs(f"an address of the erased customer {customer_id} is still in {table}")
        for ledger, answers in (("collector", database.answers), ("surveys.answers", topics.answers)):
            if any(state.customer_id == customer_id for state in answers.values()):
                check.differs(f"an answer in {ledger} still names the erased customer {customer_id}")
    return check


def forgotten(topics: TopicFacts) -> dict[str, set[str]]:
    """Erased customers who did not come back, each with what must be nowhere: their addresses nobody else has."""
    returned = {
        event.customer_id
        for event in topics.orders
        if event.customer_id in topics.erased_customers
        and event.occurred_at > topics.erased_customers[event.customer_id]
    }
    gone = topics.erased_customers.keys() - returned
    others: set[str] = set()
    for customer_id, addresses in topics.personal.items():
        if customer_id not in gone:
            others |= addresses
    return {customer_id: topics.personal.get(customer_id, set()) - others for customer_id in sorted(gone)}
