"""The audit itself is checked: a loop that adds up is clean, and each way not to add up is found."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from deploy.audit.checks import answers, asking, cases, erasure, orders, timers
from deploy.audit.facts import (
    EVERYBODY,
    AnswerState,
    Awaited,
    CampaignRule,
    CaseState,
    DatabaseFacts,
    Decision,
    Effect,
    Figures,
    OrderTold,
    RequestTold,
    ScorerRow,
    Sent,
    Timer,
    TopicFacts,
)
from deploy.audit.log import REQUESTED, Log
from deploy.audit.report import Check
from shared.contracts.identity import answer_id, case_id, event_id, send_id, timer_id
from shared.nps import Counts

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
ZONE = ZoneInfo("America/Sao_Paulo")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NINETY_DAYS = 90 * DAY

SERVICE = CampaignRule("service", (("order.placed", HOUR),), frozenset({"order.cancelled"}), None, "product")
PRODUCT = CampaignRule("product", (("order.delivered", 30 * DAY),), frozenset({"order.cancelled"}), None, "service")


def told(
    event_type: str, at: datetime, *, order: str = "o1", customer: str = "c1", offset: int = 0, **more: Any
) -> OrderTold:
    return OrderTold(
        identity=("/shop", f"{order}/{event_type}"),
        type=event_type,
        place=("orders", 0, offset),
        order_id=order,
        customer_id=customer,
        occurred_at=at,
        **{"promised_at": None, "shipment": None, **more},
    )


def decided(event: OrderTold, position: int, *effects: Effect) -> Decision:
    """What the log says of an event; it was taken in when it happened."""
    return Decision(
        position, event.occurred_at, event.identity, "timer_set" if effects else "no_timer", "milestone_reached",
        event.customer_id, event.order_id, event_type=event.type, occurred_at=event.occurred_at, effects=effects,
    )  # fmt: skip


def about_timer(
    outcome: str, position: int, timer: str, *, campaign: str = "service", until: datetime | None = None
) -> Decision:
    """What the log says of a timer of o1's that came due."""
    return Decision(
        position, NOON + HOUR, None, outcome, "due", "c1", "o1", timer_id=timer, campaign=campaign, until=until
    )


def set_timer(campaign: str) -> Effect:
    return Effect(campaign, "set", "milestone_reached")


def sent_as(survey: str, campaign: str, customer: str, order: str | None, at: datetime, timer: str) -> Sent:
    return Sent(survey, campaign, 1, "email", customer, order, at, at, at + 30 * DAY, timer)


def loop_that_adds_up() -> tuple[TopicFacts, DatabaseFacts]:
    """One order, one survey sent about it, one detractor's answer with its case, one timer for later."""
    placed = told("order.placed", NOON)
    delivered = told("order.delivered", NOON + 3 * DAY, offset=1)
    asked = timer_id("service", "c1", "o1")
    survey = send_id(asked)
    answer = answer_id(survey)
    sent = sent_as(survey, "service", "c1", "o1", NOON + HOUR, asked)
    in_segments = frozenset({("region", "SP"), ("category", "toys")})
    # 01:30 UTC is still the day before in São Paulo.
    state = AnswerState(
        2, 3, datetime(2026, 3, 12, 1, 30, tzinfo=UTC), "service", in_segments, "c1", survey, "Late", b"words"
    )
    case = CaseState(case_id(answer), "detractors", "open", 2, answer, 3, 2, None, "Late", NOON, NOON, NOON + DAY)
    day = date(2026, 3, 11)
    topics = TopicFacts(
        orders=[placed, delivered],
        sends={survey: replace(sent, timer_id=None, segments=in_segments)},
        outcomes={survey: {"delivery.accepted", "delivery.opened"}},
        answers={answer: state},
        cases={"detractors": {case.case_id: case}},
    )
    later = NOON + 33 * DAY
    day_counts = {(segment, "service", day): Figures(Counts(0, 0, 1), 1, 0) for segment in state.counted_in()}
    day_counts |= {(segment, "service", NOON.date()): Figures(Counts(), 0, 1) for segment in state.counted_in()}
    database = DatabaseFacts(
        decisions=[
            decided(placed, 1, set_timer("service")),
            about_timer("sent", 2, asked),
            decided(delivered, 3, set_timer("product")),
        ],
        timers=[Timer(timer_id("product", "c1", "o1"), "product", "c1", "o1", "milestone", 0, later, later)],
        sends={survey: sent},
        deliveries={survey: "delivery.accepted"},
        campaigns={"service": SERVICE, "product": PRODUCT},
        awaited={survey: Awaited("service", 1, "c1", "o1", NOON + HOUR, sent.expires_at, in_segments, False)},
        answers={answer: state},
        scorer_rows={answers.scorer_key(answer): ScorerRow(2, 3, day, "service", state.segments, True)},
        day_counts=day_counts,
        comments={answers.scorer_key(answer): (3, "Late")},
        cases={case.case_id: case},
    )
    return topics, database


def all_checks(topics: TopicFacts, database: DatabaseFacts, mails: list[str] | None = None) -> list[Check]:
    log = Log.of(database.decisions)
    from_day = answers.delivered_from(topics, ZONE)
    return [
        orders.accounted_for(topics, database),
        orders.unreadable_put_aside(topics, database),
        timers.timers_recomputed(topics, database, log),
        timers.requests_recomputed(topics, database, log),
        orders.dead_letters_published(topics, database),
        asking.quiet_periods(database, NINETY_DAYS),
        asking.sent_as_decided(topics, database),
        asking.outcomes_known(topics, database)[0],
        asking.awaited_by_collector(topics, database, NOON + DAY),
        asking.delivered_once(database, list(database.sends) if mails is None else mails, all_kept=True),
        answers.published(topics, database),
        answers.held_by_scorer(topics, database, ZONE),
        answers.shown(topics, database),
        answers.counted(answers.figures_by_day(topics, ZONE), database, from_day),
        cases.one_each(topics, database),
        cases.in_right_queue(database),
        cases.published(topics, database),
        cases.served(database, dict(database.cases)),
        erasure.nothing_left(topics, database),
    ]


def found_by(topics: TopicFacts, database: DatabaseFacts, mails: list[str] | None = None) -> set[str]:
    return {check.name for check in all_checks(topics, database, mails) if check.differences}


def test_a_loop_that_adds_up_is_clean() -> None:
    topics, database = loop_that_adds_up()
    assert found_by(topics, database) == set()


ANSWERED_ON = date(2026, 3, 11)

Damage = Callable[[TopicFacts, DatabaseFacts], object]


def only(mapping: dict[str, Any]) -> str:
    (key,) = mapping
    return key


DAMAGES: dict[str, tuple[str, Damage]] = {
    "an event without a decision": (
        "order events accounted for", lambda _t, d: d.decisions.pop(0)),
    "an event decided twice": (
        "order events accounted for", lambda _t, d: d.decisions.append(d.decisions[0])),
    "a decision about nothing": (
        "order events accounted for", lambda t, _d: t.orders.pop()),
    "an unreadable record that vanished": (
        "unreadable records put aside", lambda t, _d: t.unreadable.add(("orders", 0, 9))),
    "a decision about another order": (
        "order events accounted for",
        lambda _t, d: d.decisions.append(replace(d.decisions.pop(0), order_id="o2"))),
    "a decision about another moment": (
        "order events accounted for",
        lambda _t, d: d.decisions.append(replace(d.decisions.pop(0), occurred_at=NOON + HOUR))),
    "a decision that says what was not done": (
        "order events accounted for",
        lambda _t, d: d.decisions.append(replace(d.decisions.pop(0), outcome="no_timer"))),
    "a decision about a dead letter": (
        "order events accounted for", lambda _t, d: d.dead_letters.add(("dispatcher", ("orders", 0, 0)))),
    "a dead letter that was not published": (
        "dead letters published", lambda _t, d: d.dead_letters.add(("scorer", ("surveys.answers", 0, 9)))),
    "a dead letter out of nowhere": (
        "dead letters published", lambda t, _d: t.dead_letters.add(("scorer", ("surveys.answers", 0, 9)))),
    "a timer that was lost": (
        "timers recomputed", lambda _t, d: d.timers.clear()),
    "a timer for another time": (
        "timers recomputed", lambda _t, d: d.timers.append(replace(d.timers.pop(), milestone_at=NOON))),
    "a timer about nothing": (
        "timers recomputed", lambda _t, d: d.timers.append(replace(d.timers[0], order_id="o9"))),
    "a timer of a campaign nobody knows": (
        "timers recomputed", lambda _t, d: d.timers.append(replace(d.timers[0], campaign="x"))),
    "a timer that should have been called off": (
        "timers recomputed", lambda t, _d: t.orders.append(told("order.cancelled", NOON + 4 * DAY, offset=2))),
    "a timer beside its own verdict": (
        "timers recomputed",
        lambda _t, d: d.decisions.append(about_timer("skipped", 9, d.timers[0].timer_id, campaign="product"))),
    "a timer to be looked at some other time": (
        "timers recomputed", lambda _t, d: d.timers.append(replace(d.timers.pop(), due_at=NOON + 400 * DAY))),
    "a timer of another customer": (
        "timers recomputed", lambda _t, d: d.timers.append(replace(d.timers.pop(), customer_id="c2"))),
    "a timer under another id": (
        "timers recomputed", lambda _t, d: d.timers.append(replace(d.timers.pop(), timer_id="t9"))),
    "a customer asked again too soon": (
        "quiet periods kept",
        lambda _t, d: d.sends.update(x=sent_as("x", "service", "c1", "o2", NOON + 89 * DAY, "t2"))),
    "a pair about two orders": (
        "quiet periods kept",
        lambda _t, d: d.sends.update(x=sent_as("x", "product", "c1", "o2", NOON + 31 * DAY, "t2"))),
    "a timer sent twice": (
        "sends as decided",
        lambda _t, d: d.sends.update(x=replace(d.sends[only(d.sends)], send_id="x", sent_at=NOON + 100 * DAY))),
    "a send that was never published": (
        "sends as decided", lambda t, _d: t.sends.clear()),
    "a send nobody decided": (
        "sends as decided", lambda t, _d: t.sends.update(x=sent_as("x", "service", "c2", None, NOON, "t2"))),
    "a send published as another": (
        "sends as decided",
        lambda t, _d: t.sends.update({only(t.sends): replace(t.sends[only(t.sends)], customer_id="c2")})),
    "a send whose link is open longer than was told": (
        "sends as decided",
        lambda _t, d: d.sends.update({only(d.sends): replace(d.sends[only(d.sends)], expires_at=NOON + 99 * DAY)})),
    "a send without its verdict": (
        "sends as decided", lambda _t, d: d.decisions.pop(1)),
    "a verdict without its send": (
        "sends as decided", lambda _t, d: d.decisions.append(about_timer("sent", 9, "t9"))),
    "a survey nobody can answer": (
        "surveys that can be answered", lambda _t, d: d.awaited.clear()),
    "a survey the collector knows otherwise": (
        "surveys that can be answered",
        lambda _t, d: d.awaited.update({only(d.awaited): replace(d.awaited[only(d.awaited)], segments=frozenset())})),
    "an answer awaited to no survey": (
        "surveys that can be answered", lambda _t, d: d.awaited.update(x=d.awaited[only(d.awaited)])),
    "a send the courier never heard of": (
        "every send has its outcome", lambda _t, d: d.deliveries.clear()),
    "an outcome that was not published": (
        "every send has its outcome", lambda t, _d: t.outcomes.clear()),
    "two outcomes": (
        "every send has its outcome", lambda t, _d: t.outcomes[only(t.outcomes)].add("delivery.bounced")),
    "an acknowledged answer that was lost": (
        "acknowledged answers are published", lambda t, _d: t.answers.clear()),
    "an answer nobody acknowledged": (
        "acknowledged answers are published", lambda _t, d: d.answers.clear()),
    "a comment that changed on the way": (
        "acknowledged answers are published",
        lambda _t, d: d.answers.update({only(d.answers): replace(d.answers[only(d.answers)], comment="Early")})),
    "a further answer that changed on the way": (
        "acknowledged answers are published",
        lambda _t, d: d.answers.update({only(d.answers): replace(d.answers[only(d.answers)], words=b"other")})),
    "a comment shown otherwise": (
        "comments as given", lambda _t, d: d.comments.update({only(d.comments): (3, "Early")})),
    "a comment of no answer": (
        "comments as given", lambda _t, d: d.comments.update(x=(3, "Late"))),
    "an answer the scorer takes for one nobody asked for": (
        "published answers are in the scorer",
        lambda _t, d: d.scorer_rows.update(
            {only(d.scorer_rows): replace(d.scorer_rows[only(d.scorer_rows)], surveyed=False)})),
    "an answer the scorer missed": (
        "published answers are in the scorer", lambda _t, d: d.scorer_rows.clear()),
    "an answer on the wrong day": (
        "published answers are in the scorer",
        lambda _t, d: d.scorer_rows.update(
            {only(d.scorer_rows): replace(d.scorer_rows[only(d.scorer_rows)], day=date(2026, 3, 12))})),
    "an answer counted twice": (
        "counts a day and segment",
        lambda _t, d: d.day_counts.update({(EVERYBODY, "service", ANSWERED_ON): Figures(Counts(0, 0, 2), 1, 0)})),
    "an answer to a survey counted as one to none": (
        "counts a day and segment",
        lambda _t, d: d.day_counts.update({(EVERYBODY, "service", ANSWERED_ON): Figures(Counts(0, 0, 1), 0, 0)})),
    "a survey counted as delivered twice": (
        "counts a day and segment",
        lambda _t, d: d.day_counts.update({(EVERYBODY, "service", NOON.date()): Figures(Counts(), 0, 2)})),
    "a survey that came back counted as delivered": (
        "counts a day and segment", lambda t, _d: t.outcomes[only(t.outcomes)].add("delivery.bounced")),
    "a delivered survey not counted in a segment": (
        "counts a day and segment", lambda _t, d: d.day_counts.pop((("region", "SP"), "service", NOON.date()))),
    "an answer not counted in a segment": (
        "counts a day and segment", lambda _t, d: d.day_counts.pop((("region", "SP"), "service", ANSWERED_ON))),
    "a count that stayed behind": (
        "counts a day and segment",
        lambda _t, d: d.day_counts.update({(EVERYBODY, "service", date(2026, 3, 9)): Figures(Counts(1, 0, 0))})),
    "a detractor nobody heard": (
        "one case an answer", lambda _t, d: d.cases.clear()),
    "a case about an older score": (
        "one case an answer",
        lambda _t, d: d.cases.update({only(d.cases): replace(d.cases[only(d.cases)], revision=1)})),
    "a case with other words": (
        "one case an answer",
        lambda _t, d: d.cases.update({only(d.cases): replace(d.cases[only(d.cases)], comment="Early")})),
    "a case due at another time than published": (
        "cases as published",
        lambda _t, d: d.cases.update({only(d.cases): replace(d.cases[only(d.cases)], due_at=NOON + 9 * DAY)})),
    "a case that moved and left its answer behind": (
        "cases as published",
        lambda t, d: t.cases.update(
            promoters={only(d.cases): replace(d.cases[only(d.cases)], queue="promoters", status="closed")})),
    "a case about no answer": (
        "one case an answer",
        lambda _t, d: d.cases.update(x=CaseState("x", "detractors", "open", 1, "a9", 0, 1, None))),
    "a detractor in the wrong queue": (
        "every detractor in the right queue",
        lambda _t, d: d.cases.update({only(d.cases): replace(d.cases[only(d.cases)], queue="passives")})),
    "a case that was not published": (
        "cases as published", lambda t, _d: t.cases.clear()),
    "a case published as it was before": (
        "cases as published",
        lambda t, d: t.cases["detractors"].update({only(d.cases): replace(d.cases[only(d.cases)], sequence=1)})),
    "a case that moved and stayed": (
        "cases as published",
        lambda t, d: t.cases.update(promoters={only(d.cases): replace(d.cases[only(d.cases)], queue="promoters")})),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGES)
def test_every_damage_is_found(name: str) -> None:
    topics, database = loop_that_adds_up()
    check, damage = DAMAGES[name]
    damage(topics, database)
    assert check in found_by(topics, database)


def test_what_cannot_be_read_is_put_aside_by_everybody_who_reads_the_topic() -> None:
    topics, database = loop_that_adds_up()
    topics.unreadable.add(("nps.scores", 0, 9))
    assert found_by(topics, database) == {"unreadable records put aside"}
    place = ("surveys.answers", 0, 9)
    topics.unreadable = {place}
    for consumer in ("scorer", "alerter"):
        database.dead_letters.add((consumer, place))
        topics.dead_letters.add((consumer, place))
        assert found_by(topics, database) == {"unreadable records put aside"}
    database.dead_letters.add(("dispatcher", place))
    topics.dead_letters.add(("dispatcher", place))
    assert found_by(topics, database) == set()


def test_mail_that_arrived_twice_or_uninvited_is_found() -> None:
    topics, database = loop_that_adds_up()
    survey = only(database.sends)
    assert found_by(topics, database, [survey, survey]) == {"mail delivered once"}
    assert found_by(topics, database, [survey, "x"]) == {"mail delivered once"}


def test_mail_that_was_accepted_and_did_not_arrive_is_found_where_all_mail_is_kept() -> None:
    topics, database = loop_that_adds_up()
    assert found_by(topics, database, []) == {"mail delivered once"}
    assert not asking.delivered_once(database, [], all_kept=False).differences


def test_duplicates_of_an_event_are_one_event() -> None:
    topics, database = loop_that_adds_up()
    topics.orders.append(replace(topics.orders[0], place=("orders", 0, 7)))
    topics.orders.append(replace(topics.orders[1], place=("orders", 0, 8), occurred_at=NOON + 9 * DAY))
    assert found_by(topics, database) == set()


def test_an_order_in_two_parcels_is_delivered_with_the_second() -> None:
    topics, database = loop_that_adds_up()
    first = replace(topics.orders[1], shipment=("s1", 2))
    second = told("order.delivered", NOON + 5 * DAY, offset=2, shipment=("s2", 2))
    second = replace(second, identity=("/shop", "second"))
    topics.orders[1:] = [first, second]
    database.decisions.append(replace(decided(second, 4), event=second.identity))
    assert found_by(topics, database) == {"timers recomputed"}
    due = NOON + 35 * DAY
    database.timers[0] = replace(database.timers[0], milestone_at=due, due_at=due)
    assert found_by(topics, database) == set()


def test_a_pair_about_one_order_is_one_asking() -> None:
    _, database = loop_that_adds_up()
    database.sends["x"] = sent_as("x", "product", "c1", "o1", NOON + 33 * DAY, "t2")
    assert not asking.quiet_periods(database, NINETY_DAYS).differences


def test_a_case_staff_had_taken_up_may_stay_where_it_is() -> None:
    _, database = loop_that_adds_up()
    (case,) = database.cases.values()
    database.cases[case.case_id] = replace(case, score=9, status="contacted")
    assert not cases.in_right_queue(database).differences
    database.cases[case.case_id] = replace(case, score=9, status="open")
    assert cases.in_right_queue(database).differences


def test_a_case_given_otherwise_than_kept_or_not_at_all_is_found() -> None:
    _, database = loop_that_adds_up()
    (case,) = database.cases.values()
    for given in ({}, {case.case_id: replace(case, owner="x")}, {case.case_id: case, "x": case}):
        assert cases.served(database, given).differences == 1


def test_an_erased_answer_must_be_gone_everywhere() -> None:
    topics, database = loop_that_adds_up()
    answer = only(topics.answers)
    topics.answers[answer] = AnswerState(3, None)
    assert found_by(topics, database) == {
        "acknowledged answers are published",
        "published answers are in the scorer",
        "counts a day and segment",
        "comments as given",
        "one case an answer",
    }


def test_addresses_of_erased_customers_are_looked_for_unless_somebody_else_has_them() -> None:
    topics, database = loop_that_adds_up()
    topics.erased_customers["c1"] = NOON + 5 * DAY
    topics.personal = {"c1": {"ana@example.com", "shared@example.com"}, "c2": {"shared@example.com"}}
    assert erasure.forgotten(topics) == {"c1": {"ana@example.com"}}
    database.traces = {"c1": ["dispatcher.customers"]}
    found = erasure.nothing_left(topics, database)
    assert found.differences == 3  # the trace, and an answer that still names them in both ledgers


def test_who_ordered_again_after_an_erasure_is_known_again() -> None:
    topics, _ = loop_that_adds_up()
    topics.erased_customers["c1"] = NOON + DAY
    assert erasure.forgotten(topics) == {}


# What is rightly so, however odd it looks ---------------------------------------------------------------------


def test_a_timer_that_was_put_off_waits_until_then() -> None:
    topics, database = loop_that_adds_up()
    (timer,) = database.timers
    until = NOON + 40 * DAY
    database.timers[0] = replace(timer, due_at=until)
    database.decisions.append(about_timer("deferred", 4, timer.timer_id, campaign="product", until=until))
    assert found_by(topics, database) == set()
    database.timers[0] = timer
    assert found_by(topics, database) == {"timers recomputed"}


def test_a_timer_moved_after_it_was_put_off_waits_for_its_milestone() -> None:
    topics, database = loop_that_adds_up()
    (timer,) = database.timers
    put_off = about_timer("deferred", 2, timer.timer_id, campaign="product", until=NOON + 40 * DAY)
    database.decisions.insert(2, put_off)
    assert found_by(topics, database) == set()


def test_a_campaign_that_was_changed_holds_from_the_next_event_of_an_order_on() -> None:
    topics, database = loop_that_adds_up()
    sooner = replace(PRODUCT, triggers=(("order.delivered", DAY),), version=2, changed_at=NOON + 4 * DAY)
    database.campaigns["product"] = sooner
    assert found_by(topics, database) == set()
    database.campaigns["product"] = replace(sooner, changed_at=NOON + 2 * DAY)
    assert found_by(topics, database) == {"timers recomputed"}
    # Switched off, its timers wait until they come due and are told so.
    database.campaigns["product"] = replace(PRODUCT, active=False, version=2, changed_at=NOON + 4 * DAY)
    assert found_by(topics, database) == set()


def test_a_send_is_held_to_the_quiet_period_of_its_own_version() -> None:
    _, database = loop_that_adds_up()
    database.sends["x"] = sent_as("x", "service", "c1", "o2", NOON + 60 * DAY, "t2")
    assert asking.quiet_periods(database, NINETY_DAYS).differences == 1
    database.campaigns["service"] = replace(SERVICE, version=2)
    check = asking.quiet_periods(database, NINETY_DAYS)
    assert (check.differences, check.left_out) == (0, 2)


def test_timers_called_off_by_an_erasure_are_missed_by_nobody() -> None:
    topics, database = loop_that_adds_up()
    (timer,) = database.timers
    database.timers.clear()
    called_off = about_timer("timer_cancelled", 4, timer.timer_id, campaign="product")
    database.decisions.append(replace(called_off, reason="erased"))
    assert found_by(topics, database) == set()


def test_an_order_that_changed_hands_after_it_was_asked_about_is_not_asked_about_again() -> None:
    topics, database = loop_that_adds_up()
    topics.orders[1] = replace(topics.orders[1], customer_id="c2")
    (timer,) = database.timers
    database.timers[0] = replace(timer, timer_id=timer_id("product", "c2", "o1"), customer_id="c2")
    assert found_by(topics, database) == set()


def test_only_the_last_word_excuses_a_missing_timer() -> None:
    topics, database = loop_that_adds_up()
    database.timers.clear()
    database.decisions[0] = replace(
        database.decisions[0], effects=(set_timer("service"), Effect("product", "none", "too_late"))
    )
    assert found_by(topics, database) == {"timers recomputed"}
    database.decisions[2] = replace(
        database.decisions[2], outcome="no_timer", effects=(Effect("product", "none", "too_late"),)
    )
    assert found_by(topics, database) == set()


def test_what_kafka_has_dropped_is_left_out_and_what_it_keeps_is_not() -> None:
    topics, database = loop_that_adds_up()
    later = told("order.delivered", NOON + 9 * DAY, order="o2", offset=2)
    topics.orders.append(later)
    due = NOON + 39 * DAY
    database.decisions.append(decided(later, 4, set_timer("product")))
    database.timers.append(Timer(timer_id("product", "c1", "o2"), "product", "c1", "o2", "milestone", 0, due, due))
    assert found_by(topics, database) == set()
    topics.orders.pop(0)
    topics.dropped = {"orders": NOON + DAY, "surveys.sends": NOON + 8 * DAY, "surveys.deliveries": NOON + 8 * DAY}
    topics.sends.clear()
    topics.outcomes.clear()
    assert found_by(topics, database) == set()
    database.timers[1] = replace(database.timers[1], milestone_at=NOON, due_at=NOON)
    assert found_by(topics, database) == {"timers recomputed"}


# Surveys on request -------------------------------------------------------------------------------------------


def with_a_request() -> tuple[TopicFacts, DatabaseFacts]:
    topics, database = loop_that_adds_up()
    wanted = RequestTold(("/desk", "r1"), ("surveys.requests", 0, 0), "r1", "service", "c1", "o1", NOON + 9 * DAY)
    timer = event_id("timer.requested", "r1")
    topics.requests.append(wanted)
    database.decisions.append(
        Decision(
            9, NOON, wanted.identity, "timer_set", "requested", "c1", "o1", campaign="service", event_type=REQUESTED,
            occurred_at=NOON, effects=(Effect("service", "set", "requested"),),
        )
    )  # fmt: skip
    database.timers.append(Timer(timer, "service", "c1", "o1", "request", 0, wanted.not_before, wanted.not_before))
    return topics, database


def test_a_requested_survey_waits_for_its_time() -> None:
    assert found_by(*with_a_request()) == set()


REQUEST_DAMAGES: dict[str, tuple[str, Damage]] = {
    "a request nobody decided about": (
        "order events accounted for", lambda _t, d: d.decisions.pop()),
    "a decision about no request": (
        "order events accounted for", lambda t, _d: t.requests.clear()),
    "a requested timer that was lost": (
        "requested surveys recomputed", lambda _t, d: d.timers.pop()),
    "a requested timer for another time": (
        "requested surveys recomputed",
        lambda _t, d: d.timers.append(replace(d.timers.pop(), milestone_at=NOON, due_at=NOON))),
    "a requested timer to be looked at some other time": (
        "requested surveys recomputed", lambda _t, d: d.timers.append(replace(d.timers.pop(), due_at=NOON))),
    "a requested timer of another customer": (
        "requested surveys recomputed", lambda _t, d: d.timers.append(replace(d.timers.pop(), customer_id="c2"))),
    "a timer nobody requested": (
        "requested surveys recomputed", lambda _t, d: d.timers.append(replace(d.timers[-1], timer_id="t9"))),
}  # fmt: skip


@pytest.mark.parametrize("name", REQUEST_DAMAGES)
def test_every_damage_to_a_request_is_found(name: str) -> None:
    topics, database = with_a_request()
    check, damage = REQUEST_DAMAGES[name]
    damage(topics, database)
    assert check in found_by(topics, database)


def test_a_requested_survey_that_was_sent_waits_no_more() -> None:
    topics, database = with_a_request()
    timer = database.timers.pop()
    database.decisions.append(about_timer("skipped", 10, timer.timer_id))
    assert "requested surveys recomputed" not in found_by(topics, database)
