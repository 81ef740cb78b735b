"""Promise 2, second half: no personal data of an erased customer is left, and none has come back."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from shared.contracts import answers, orders, preferences
from shared.contracts.requests import REQUESTED
from tools.audit.facts import DatabaseFacts, TopicFacts
from tools.audit.report import Check
from tools.audit.traces import ADDRESS, COMMENT, ID, NAME, Detail, comparable


def no_personal_data_left(topics: TopicFacts, database: DatabaseFacts) -> Check:
    """No table, and no last record of a key, holds a name, an address or a comment of an erased customer from before
    the erasure; of who did not come back, not their id either, except where it stays for a while (docs/security.md).

    Details are those in records Kafka still has. Customers of whom it has none are counted as left out: of them, only
    what the tables say of themselves is compared.
    """
    check = Check("no personal data of erased customers", 2)
    erasures = _Erasures(topics, database)
    searched = set(erasures.details())
    described = {detail.customer_id for detail in searched if detail.kind in (ADDRESS, NAME)}
    for customer_id, erased_at in sorted(erasures.erased_at.items()):
        check.compared += 1
        check.left_out += customer_id not in described
        if customer_id in database.described_customers and customer_id not in erasures.ordered_again:
            check.add_difference(
                f"customer {customer_id} was erased and has no order from afterwards, but is described in "
                "dispatcher.customers"
            )
        told = max(topics.preferences.get(customer_id, ()), key=lambda each: each.revision, default=None)
        if customer_id not in erasures.came_back and told is not None and any(said.address for said in told.channels):
            check.add_difference(f"{ADDRESS} of the erased customer {customer_id} is still in {preferences.TOPIC}")
        for ledger, states in (("the collector", database.answers), (answers.TOPIC, topics.answers)):
            if any(
                state.customer_id == customer_id and (state.answered_at is None or state.answered_at <= erased_at)
                for state in states.values()
            ):
                check.add_difference(f"an answer in {ledger} still names the erased customer {customer_id}")
    traces = {
        f"{detail.kind} of the erased customer {detail.customer_id} is still in {place}"
        for place, detail in _found(topics, database)
        if detail in searched
    }
    for trace in traces:
        check.add_difference(trace)
    return check


def details_to_search(topics: TopicFacts, database: DatabaseFacts) -> set[Detail]:
    """What must be gone: every name, address and comment from before an erasure, unless it was said again since, or is
    somebody else's, too; and the id of who did not come back."""
    return set(_Erasures(topics, database).details())


def details_of_erased(topics: TopicFacts) -> Iterator[Detail]:
    """Everything that was ever said about customers who were erased, by the topics alone."""
    for detail, _ in _said(topics, {}):
        if detail.customer_id in topics.erased_customers:
            yield detail
    for customer_id in topics.erased_customers:
        yield Detail(customer_id, ID, comparable(customer_id))


class _Erasures:
    """Who was erased, and what is known of them since.

    ``ordered_again`` are those with an order that began afterwards; one from before that only goes on brings nobody
    back. ``came_back`` are those, and who answered since.
    """

    def __init__(self, topics: TopicFacts, database: DatabaseFacts) -> None:
        self._topics, self._database = topics, database
        self.erased_at = dict(database.erased_customers)
        for customer_id, at in topics.erased_customers.items():
            self.erased_at[customer_id] = max(at, self.erased_at.get(customer_id, at))
        self._began = _order_began(topics, database) if self.erased_at else {}
        self.ordered_again = {customer_id for customer_id, at in self._orders() if self._is_since(customer_id, at)}
        self.came_back = self.ordered_again | {
            state.customer_id
            for state in topics.answers.values()
            if state.customer_id is not None
            and state.answered_at is not None
            and self._is_since(state.customer_id, state.answered_at)
        }

    def details(self) -> Iterator[Detail]:
        """As ``details_to_search``."""
        if not self.erased_at:
            return
        before: set[Detail] = set()
        not_theirs: set[Detail | tuple[str, str]] = set(self._database.details_of_others)
        for detail, said_at in _said(self._topics, self._began):
            if detail.customer_id not in self.erased_at:
                not_theirs.add((detail.kind, detail.text))
            elif self._is_since(detail.customer_id, said_at):
                not_theirs.add(detail)
            elif not self._may_have_been_said_again(detail.customer_id):
                before.add(detail)
        for written in self._topics.erased_comments.values():
            before |= written
        not_theirs |= {(COMMENT, comparable(state.comment)) for state in self._topics.answers.values() if state.comment}
        for detail in before:
            if detail not in not_theirs and (detail.kind, detail.text) not in not_theirs:
                yield detail
        for customer_id in self.erased_at.keys() - self.came_back:
            yield Detail(customer_id, ID, comparable(customer_id))

    def _is_since(self, customer_id: str, at: datetime) -> bool:
        return customer_id in self.erased_at and at > self.erased_at[customer_id]

    def _may_have_been_said_again(self, customer_id: str) -> bool:
        """Whether Kafka has deleted orders from after the erasure, which may have named the same address."""
        return customer_id in self.ordered_again and not self._topics.retains(orders.TOPIC, self.erased_at[customer_id])

    def _orders(self) -> Iterator[tuple[str, datetime]]:
        """Every customer with the beginning of each of their orders."""
        for decision in self._database.decisions:
            if decision.order_id is not None and decision.order_id in self._began:
                yield decision.customer_id, self._began[decision.order_id]
        for event in self._topics.orders:
            if event.order_id in self._began:
                yield event.customer_id, self._began[event.order_id]


def _said(topics: TopicFacts, began: Mapping[str, datetime]) -> Iterator[tuple[Detail, datetime]]:
    """Each detail in an order event or a survey, and when the order it was said about began, or the survey was sent."""
    for event in topics.orders:
        said_at = began.get(event.order_id, event.occurred_at)
        for kind, text in event.details:
            yield Detail(event.customer_id, kind, text), said_at
    for sent in topics.sends.values():
        if sent.customer_id is not None:
            said_at = began.get(sent.order_id or "", sent.sent_at)
            for kind, detail in ((ADDRESS, sent.address), (NAME, sent.name)):
                if detail:
                    yield Detail(sent.customer_id, kind, comparable(detail)), said_at


def _found(topics: TopicFacts, database: DatabaseFacts) -> Iterator[tuple[str, Detail]]:
    for (topic, _, _), details in topics.traces.items():
        for detail in details:
            yield topic, detail
    for table, details in database.traces.items():
        for detail in details:
            yield table, detail


def _order_began(topics: TopicFacts, database: DatabaseFacts) -> Mapping[str, datetime]:
    """Each order, and when it began: by the decision log, which outlives the events."""
    began: dict[str, datetime] = {}
    for decision in database.decisions:
        if decision.order_id is not None and decision.occurred_at is not None and decision.event_type != REQUESTED:
            began[decision.order_id] = min(decision.occurred_at, began.get(decision.order_id, decision.occurred_at))
    for event in topics.orders:
        began[event.order_id] = min(event.occurred_at, began.get(event.order_id, event.occurred_at))
    return began
