"""A survey needs an address, and a customer who may be written to."""

from services.dispatcher.domain.customers import Customer
from services.dispatcher.domain.policy import reachable
from services.dispatcher.domain.policy.verdict import Objection
from services.dispatcher.domain.reasons import Reason
from tests.unit.dispatcher.domain.policy.kit import NOW, decide, due_survey, said, timer


def test_without_an_address_nothing_is_sent() -> None:
    assert said(decide(timer("service"), customer=Customer(customer_id="c-1"))) == {
        "service": ("skipped", "no_address")
    }
    erased = Customer(customer_id="c-1", erased_at=NOW)
    assert reachable.check(due_survey(customer=erased)) == Objection(Reason.ERASED)
    assert reachable.check(due_survey()) is None
