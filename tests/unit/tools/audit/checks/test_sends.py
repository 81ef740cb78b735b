"""Quiet periods are kept, and each mail arrives once."""

from dataclasses import replace

from tests.unit.tools.audit.checks.loop import (
    DAY,
    NINETY_DAYS,
    NOON,
    SERVICE,
    consistent_loop,
    found_by,
    only,
    send,
)
from tools.audit.checks import sends
from tools.audit.checks.sends import sends_match_decisions


def test_duplicate_and_unexpected_mail_is_found() -> None:
    topics, database = consistent_loop()
    survey = only(database.sends)
    assert found_by(topics, database, [survey, survey]) == {"mail delivered once"}
    assert found_by(topics, database, [survey, "x"]) == {"mail delivered once"}


def test_accepted_mail_that_did_not_arrive_is_found_if_the_mailbox_is_complete() -> None:
    topics, database = consistent_loop()
    assert found_by(topics, database, []) == {"mail delivered once"}
    assert not sends.mail_delivered_once(database, [], complete=False).differences


def test_a_declared_pair_about_one_order_counts_as_one_send() -> None:
    _, database = consistent_loop()
    database.sends["x"] = send("x", "product", "c1", "o1", NOON + 33 * DAY, "t2")
    assert not sends.quiet_periods_kept(database, NINETY_DAYS).differences


def test_a_send_is_held_to_the_quiet_period_of_its_own_version() -> None:
    _, database = consistent_loop()
    database.sends["x"] = send("x", "service", "c1", "o2", NOON + 60 * DAY, "t2")
    assert sends.quiet_periods_kept(database, NINETY_DAYS).differences == 1
    database.campaigns["service"] = replace(SERVICE, version=2)
    check = sends.quiet_periods_kept(database, NINETY_DAYS)
    assert (check.differences, check.left_out) == (0, 2)


def test_a_send_that_did_not_arrive_is_no_send_for_the_quiet_period() -> None:
    _, database = consistent_loop()
    first = only(database.sends)
    database.sends["x"] = send("x", "service", "c1", "o2", NOON + 60 * DAY, "t2")
    database.not_reached.add(first)
    assert not sends.quiet_periods_kept(database, NINETY_DAYS).differences


def test_a_survey_the_dispatcher_has_forgotten_with_its_customer_is_left_out() -> None:
    topics, database = consistent_loop()
    topics.sends.clear()
    (sent,) = database.sends.values()
    database.sends.clear()
    for since, differences in ((sent.sent_at + DAY, 0), (sent.sent_at, 1)):
        check = sends.surveys_answerable(topics, database, NOON + 300 * DAY, decided_since=since)
        assert (check.differences, check.left_out) == (differences, 1 - differences)


def test_mail_about_a_forgotten_survey_is_left_out_if_later_mail_is_old_enough() -> None:
    _, database = consistent_loop()
    (sent,) = database.sends.values()
    for arrived, since, differences in (
        (["x", sent.send_id], sent.sent_at + DAY, 0),
        (["x", sent.send_id], sent.sent_at, 1),
        ([sent.send_id, "x"], sent.sent_at + DAY, 1),
    ):
        check = sends.mail_delivered_once(database, arrived, complete=True, decided_since=since)
        assert (check.differences, check.left_out) == (differences, 1 - differences)


def test_surveys_to_customers_erased_long_ago_may_be_forgotten() -> None:
    topics, database = consistent_loop()
    send_id, sent = next(iter(topics.sends.items()))
    assert sent.customer_id is not None
    del database.sends[send_id]
    database.decisions = [decision for decision in database.decisions if decision.order_id != sent.order_id]
    for before, differences in ((sent.sent_at + DAY, 0), (sent.sent_at, 1)):
        check = sends_match_decisions(topics, database, forgotten_before=before)
        assert (check.differences, check.left_out) == (differences, 1 - differences)
