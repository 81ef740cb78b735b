"""Promise 2, second half: no personal data of an erased customer is left."""

from shared.contracts import answers
from tools.audit.facts import DatabaseFacts, TopicFacts
from tools.audit.report import Check


def no_personal_data_left(topics: TopicFacts, database: DatabaseFacts) -> Check:
    """No table holds an address of an erased customer, and no answer names them.

    Customers who ordered again afterwards are left out. Topics with a retention period are not searched: their data
    expires.
    """
    check = Check("no personal data of erased customers", 2)
    for customer_id in erased_addresses(topics):
        check.compared += 1
        for table in database.traces.get(customer_id, ()):
            check.add_difference(f"an address of the erased customer {customer_id} is still in {table}")
        for ledger, states in (("collector", database.answers), (answers.TOPIC, topics.answers)):
            if any(state.customer_id == customer_id for state in states.values()):
                check.add_difference(f"an answer in {ledger} still names the erased customer {customer_id}")
    return check


def erased_addresses(topics: TopicFacts) -> dict[str, set[str]]:
    """Erased customers who did not return, each with the addresses that must be gone: those no other customer has."""
    returned = {
        event.customer_id
        for event in topics.orders
        if event.customer_id in topics.erased_customers
        and event.occurred_at > topics.erased_customers[event.customer_id]
    }
    gone = topics.erased_customers.keys() - returned
    others: set[str] = set()
    for customer_id, addresses in topics.addresses.items():
        if customer_id not in gone:
            others |= addresses
    return {customer_id: topics.addresses.get(customer_id, set()) - others for customer_id in sorted(gone)}
