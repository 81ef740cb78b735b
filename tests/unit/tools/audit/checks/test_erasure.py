"""What was known of an erased customer must be gone; what was said again since, or is somebody else's, may stay."""

from dataclasses import replace
from datetime import datetime

import pytest

from tests.unit.tools.audit.checks.loop import DAY, NOON, consistent_loop, decision_about, only, order_event
from tools.audit.checks import erasure
from tools.audit.facts import AnswerState, ChannelState, DatabaseFacts, OrderEvent, Preferences, TopicFacts
from tools.audit.traces import ADDRESS, COMMENT, ID, NAME, Detail

ERASED = NOON + 5 * DAY
EMAIL, CALLED = (ADDRESS, "ana@example.com"), (NAME, "ana lima")
THEIR_EMAIL, THEIR_NAME = (Detail("c1", *each) for each in (EMAIL, CALLED))
THEIR_ID = Detail("c1", ID, "c1")


def erased_customer() -> tuple[TopicFacts, DatabaseFacts]:
    """The consistent loop, whose customer was erased in the end; the answer is gone."""
    topics, database = consistent_loop()
    topics.orders = [replace(event, details=(EMAIL, CALLED)) for event in topics.orders]
    topics.erased_customers["c1"] = database.erased_customers["c1"] = ERASED
    for answers in (topics.answers, database.answers):
        answers[only(answers)] = AnswerState(revision=3, score=None)
    return topics, database


def heard(topics: TopicFacts, database: DatabaseFacts, event: OrderEvent) -> None:
    topics.orders.append(event)
    database.decisions.append(decision_about(event, len(database.decisions) + 1))


def differences(topics: TopicFacts, database: DatabaseFacts) -> int:
    return erasure.no_personal_data_left(topics, database).differences


def test_names_addresses_and_the_id_must_be_gone() -> None:
    topics, database = erased_customer()
    assert erasure.details_to_search(topics, database) == {THEIR_EMAIL, THEIR_NAME, THEIR_ID}
    assert differences(topics, database) == 0


@pytest.mark.parametrize("detail", [THEIR_EMAIL, THEIR_NAME, THEIR_ID], ids=lambda detail: detail.kind)
def test_what_is_left_is_named_by_kind_and_place(detail: Detail) -> None:
    for place in ("alerter.customers", "followups.detractors"):
        topics, database = erased_customer()
        if place.startswith("alerter"):
            database.traces[place] = {detail}
        else:
            topics.traces[place, 0, "case"] = {detail}
        (sentence,) = erasure.no_personal_data_left(topics, database).examples
        assert sentence == f"{detail.kind} of the erased customer c1 is still in {place}"


def test_a_comment_must_be_gone_unless_somebody_else_wrote_the_same() -> None:
    topics, database = erased_customer()
    wrote = Detail("c1", COMMENT, "late")
    topics.erased_comments["c1"] = {wrote}
    assert wrote in erasure.details_to_search(topics, database)
    topics.answers["other"] = AnswerState(revision=1, score=3, comment="Late ")
    assert wrote not in erasure.details_to_search(topics, database)


def test_an_answer_that_still_names_them_is_found() -> None:
    topics, database = erased_customer()
    state = AnswerState(revision=1, score=3, customer_id="c1", answered_at=ERASED - DAY)
    topics.answers["x"] = database.answers["x"] = state
    assert differences(topics, database) == 2
    topics.answers["x"] = database.answers["x"] = replace(state, answered_at=ERASED + DAY)
    assert differences(topics, database) == 0


def test_an_address_that_is_still_the_last_word_is_found() -> None:
    topics, database = erased_customer()
    said = ChannelState(channel="email", state="unsubscribed", changed_at=NOON, address="ana@example.com")
    topics.preferences["c1"] = [Preferences(revision=2), Preferences(revision=1, channels=(said,))]
    assert differences(topics, database) == 0
    topics.preferences["c1"].append(Preferences(revision=3, channels=(said,)))
    assert differences(topics, database) == 1


def test_an_old_order_that_goes_on_brings_nobody_back() -> None:
    """The event names the customer again; the order is one that they asked to be forgotten with everything else."""
    topics, database = erased_customer()
    heard(topics, database, order_event("order.returned", ERASED + DAY, offset=2, details=(EMAIL, CALLED)))
    assert {THEIR_EMAIL, THEIR_NAME, THEIR_ID} == erasure.details_to_search(topics, database)
    database.described_customers.add("c1")
    assert differences(topics, database) == 1


def test_the_same_where_kafka_has_forgotten_how_the_order_began() -> None:
    topics, database = erased_customer()
    heard(topics, database, order_event("order.returned", ERASED + DAY, offset=2, details=(EMAIL, CALLED)))
    topics.orders = topics.orders[-1:]
    topics.retained_since["orders"] = ERASED
    assert THEIR_EMAIL in erasure.details_to_search(topics, database)


def ordered_again(*details: tuple[str, str], at: datetime = ERASED + DAY) -> tuple[TopicFacts, DatabaseFacts]:
    topics, database = erased_customer()
    heard(topics, database, order_event("order.placed", at, order="o2", offset=2, details=details))
    database.described_customers.add("c1")
    return topics, database


def test_what_a_later_order_says_again_may_stay() -> None:
    topics, database = ordered_again(EMAIL)
    assert erasure.details_to_search(topics, database) == {THEIR_NAME}
    database.traces["dispatcher.customers"] = {THEIR_EMAIL, THEIR_ID}
    assert differences(topics, database) == 0
    database.traces["dispatcher.customers"] = {THEIR_NAME}
    assert differences(topics, database) == 1


def test_what_later_orders_said_again_is_unknown_once_kafka_has_forgotten_them() -> None:
    topics, database = ordered_again(EMAIL)
    topics.orders.pop()
    topics.retained_since["orders"] = ERASED + 9 * DAY
    assert erasure.details_to_search(topics, database) == set()
    check = erasure.no_personal_data_left(topics, database)
    assert (check.differences, check.left_out) == (0, 1)


def test_what_somebody_else_has_too_may_stay() -> None:
    topics, database = erased_customer()
    heard(topics, database, order_event("order.placed", NOON, order="o2", customer="c2", offset=2, details=(EMAIL,)))
    database.details_of_others.add(CALLED)
    assert erasure.details_to_search(topics, database) == {THEIR_ID}


def test_customers_of_whom_kafka_has_nothing_are_said_to_be_left_out() -> None:
    topics, database = erased_customer()
    topics.orders.clear()
    topics.sends.clear()
    check = erasure.no_personal_data_left(topics, database)
    assert (check.compared, check.left_out, check.differences) == (1, 1, 0)
    database.described_customers.add("c1")
    assert differences(topics, database) == 1


def test_nothing_is_searched_for_where_nobody_was_erased() -> None:
    topics, database = consistent_loop()
    topics.orders = [replace(event, details=(EMAIL, CALLED)) for event in topics.orders]
    assert erasure.details_to_search(topics, database) == set()
