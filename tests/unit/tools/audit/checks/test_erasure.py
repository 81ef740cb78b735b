"""Addresses of erased customers are searched for; those who ordered again are left out."""

from tests.unit.tools.audit.checks.loop import DAY, NOON, consistent_loop
from tools.audit.checks import erasure


def test_addresses_of_erased_customers_are_searched_for_unless_another_customer_has_them() -> None:
    topics, database = consistent_loop()
    topics.erased_customers["c1"] = NOON + 5 * DAY
    topics.addresses = {"c1": {"ana@example.com", "shared@example.com"}, "c2": {"shared@example.com"}}
    assert erasure.erased_addresses(topics) == {"c1": {"ana@example.com"}}
    database.traces = {"c1": ["dispatcher.customers"]}
    found = erasure.no_personal_data_left(topics, database)
    assert found.differences == 3  # the trace, and an answer that still names them in both ledgers


def test_a_customer_who_ordered_again_after_an_erasure_is_left_out() -> None:
    topics, _ = consistent_loop()
    topics.erased_customers["c1"] = NOON + DAY
    assert erasure.erased_addresses(topics) == {}
