"""An order that was cancelled, refunded or returned is not asked about."""

import pytest

from services.dispatcher.domain.orders import Order
from services.dispatcher.domain.policy import stopped
from services.dispatcher.domain.policy.verdict import Objection
from services.dispatcher.domain.reasons import Reason
from shared.order_facts import OrderFacts
from tests.unit.dispatcher.domain.policy.kit import DAY, NOW, campaign, decide, due_survey, said, timer


@pytest.mark.parametrize("ending", ["cancelled", "refunded", "returned"])
def test_each_ending_has_its_reason(ending: str) -> None:
    order = Order("o-1", facts=OrderFacts(happened={f"order.{ending}": NOW}))
    assert stopped.check(due_survey(order=order)) == Objection(Reason(f"order_{ending}"))


def test_the_ending_that_came_first_is_told() -> None:
    order = Order("o-1", facts=OrderFacts(happened={"order.refunded": NOW, "order.returned": NOW - DAY}))
    assert said(decide(timer("service"), order=order)) == {"service": ("skipped", "order_returned")}


def test_a_campaign_may_ask_about_returns() -> None:
    asks = campaign("asks", 1, stop_on=["order.cancelled"])
    returned = Order("o-1", facts=OrderFacts(happened={"order.returned": NOW}))
    assert stopped.check(due_survey(asks, order=returned)) is None


def test_what_is_about_no_order_is_stopped_by_none() -> None:
    assert stopped.check(due_survey(order=None)) is None
