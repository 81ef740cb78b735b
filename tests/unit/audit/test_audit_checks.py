"""The audit itself is checked: a loop that adds up is clean, and each way not to add up is found."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from deploy.audit.checks import answers, asking, cases, erasure, orders, scores
from deploy.audit.facts import (
    EVERYBODY,
    AnswerState,
    CampaignRule,
    CaseState,
    DatabaseFacts,
    Decision,
    OrderTold,
    ScorerRow,
    Sent,
    Timer,
    TopicFacts,
)
from deploy.audit.report import Check
from shared.contracts.identity import answer_id, case_id, send_id, timer_id
from shared.nps import Counts, net_promoter_score

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


def decided(event: OrderTold) -> Decision:
    return Decision(event.identity, "timer_set", "milestone_reached", event.order_id)


def loop_that_adds_up() -> tuple[TopicFacts, DatabaseFacts]:
    """One order, one survey sent about it, one detractor's answer with its case, one timer for later."""
    placed = told("order.placed", NOON)
    delivered = told("order.delivered", NOON + 3 * DAY, offset=1)
    asked = timer_id("service", "c1", "o1")
    survey = send_id(asked)
    answer = answer_id(survey)
    sent = Sent(survey, "service", "c1", "o1", NOON + HOUR, asked)
    # 01:30 UTC is still the day before in São Paulo.
    state = AnswerState(
        2, 3, datetime(2026, 3, 12, 1, 30, tzinfo=UTC), "service", frozenset({("region", "SP"), ("category", "toys")}),
        "c1", survey, "Late",
    )  # fmt: skip
    case = CaseState(case_id(answer), "detractors", "open", 2, answer, 3, 2, None)
    day = date(2026, 3, 11)
    topics = TopicFacts(
        orders=[placed, delivered],
        sends={survey: replace(sent, timer_id=None)},
        outcomes={survey: {"delivery.accepted", "delivery.opened"}},
        answers={answer: state},
        cases={"detractors": {case.case_id: case}},
        complete={"orders", "surveys.sends", "surveys.deliveries"},
    )
    later = NOON + 33 * DAY
    database = DatabaseFacts(
        decisions=[decided(placed), decided(delivered), Decision(None, "sent", "due", "o1", asked)],
        timers=[Timer(timer_id("product", "c1", "o1"), "product", "milestone", later, later)],
        sends={survey: sent},
        deliveries={survey: "delivery.accepted"},
        campaigns={"service": SERVICE, "product": PRODUCT},
        answers={answer: state},
        scorer_rows={answers.scorer_key(answer): ScorerRow(2, 3, day, "service", state.segments)},
        day_counts={(segment, "service", day): Counts(0, 0, 1) for segment in state.counted_in()},
        cases={case.case_id: case},
    )
    return topics, database


def all_checks(topics: TopicFacts, database: DatabaseFacts, mails: list[str] | None = None) -> list[Check]:
    return [
        orders.accounted_for(topics, database),
        orders.timers_recomputed(topics, database),
        orders.dead_letters_published(topics, database),
        asking.quiet_periods(database, NINETY_DAYS),
        asking.sent_as_decided(topics, database),
        asking.outcomes_known(topics, database)[0],
        asking.delivered_once(database, list(database.sends) if mails is None else mails),
        answers.published(topics, database),
        answers.held_by_scorer(topics, database, ZONE),
        answers.counted(topics, database, ZONE),
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
        "order events accounted for", lambda t, _d: t.unreadable_orders.add(("orders", 0, 9))),
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
        "timers recomputed", lambda _t, d: d.timers.append(replace(d.timers[0], timer_id="t9"))),
    "a timer that should have been called off": (
        "timers recomputed", lambda t, _d: t.orders.append(told("order.cancelled", NOON + 4 * DAY, offset=2))),
    "a timer beside its own verdict": (
        "timers recomputed",
        lambda _t, d: d.decisions.append(Decision(None, "skipped", "x", "o1", d.timers[0].timer_id))),
    "a customer asked again too soon": (
        "quiet periods kept",
        lambda _t, d: d.sends.update(x=Sent("x", "service", "c1", "o2", NOON + 89 * DAY, "t2"))),
    "a pair about two orders": (
        "quiet periods kept",
        lambda _t, d: d.sends.update(x=Sent("x", "product", "c1", "o2", NOON + 31 * DAY, "t2"))),
    "a timer sent twice": (
        "sends as decided",
        lambda _t, d: d.sends.update(x=replace(d.sends[only(d.sends)], send_id="x", sent_at=NOON + 100 * DAY))),
    "a send that was never published": (
        "sends as decided", lambda t, _d: t.sends.clear()),
    "a send nobody decided": (
        "sends as decided", lambda t, _d: t.sends.update(x=Sent("x", "service", "c2", None, NOON))),
    "a send published as another": (
        "sends as decided",
        lambda t, _d: t.sends.update({only(t.sends): replace(t.sends[only(t.sends)], customer_id="c2")})),
    "a send without its verdict": (
        "sends as decided", lambda _t, d: d.decisions.pop()),
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
    "an answer the scorer missed": (
        "published answers are in the scorer", lambda _t, d: d.scorer_rows.clear()),
    "an answer on the wrong day": (
        "published answers are in the scorer",
        lambda _t, d: d.scorer_rows.update(
            {only(d.scorer_rows): replace(d.scorer_rows[only(d.scorer_rows)], day=date(2026, 3, 12))})),
    "an answer counted twice": (
        "counts a day and segment",
        lambda _t, d: d.day_counts.update({(EVERYBODY, "service", date(2026, 3, 11)): Counts(0, 0, 2)})),
    "an answer not counted in a segment": (
        "counts a day and segment", lambda _t, d: d.day_counts.pop((("region", "SP"), "service", date(2026, 3, 11)))),
    "a count that stayed behind": (
        "counts a day and segment",
        lambda _t, d: d.day_counts.update({(EVERYBODY, "service", date(2026, 3, 9)): Counts(1, 0, 0)})),
    "a detractor nobody heard": (
        "one case an answer", lambda _t, d: d.cases.clear()),
    "a case about an older score": (
        "one case an answer",
        lambda _t, d: d.cases.update({only(d.cases): replace(d.cases[only(d.cases)], revision=1)})),
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


def test_mail_that_arrived_twice_or_uninvited_is_found() -> None:
    topics, database = loop_that_adds_up()
    survey = only(database.sends)
    assert found_by(topics, database, [survey, survey]) == {"mail delivered once"}
    assert found_by(topics, database, [survey, "x"]) == {"mail delivered once"}


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
    database.decisions.append(decided(second))
    assert found_by(topics, database) == {"timers recomputed"}
    due = NOON + 35 * DAY
    database.timers[0] = replace(database.timers[0], milestone_at=due, due_at=due)
    assert found_by(topics, database) == set()


def test_a_pair_about_one_order_is_one_asking() -> None:
    _, database = loop_that_adds_up()
    database.sends["x"] = Sent("x", "product", "c1", "o1", NOON + 33 * DAY, "t2")
    assert not asking.quiet_periods(database, NINETY_DAYS).differences


def test_a_case_staff_had_taken_up_may_stay_where_it_is() -> None:
    _, database = loop_that_adds_up()
    (case,) = database.cases.values()
    database.cases[case.case_id] = replace(case, score=9, status="contacted")
    assert not cases.in_right_queue(database).differences
    database.cases[case.case_id] = replace(case, score=9, status="open")
    assert cases.in_right_queue(database).differences


def test_an_erased_answer_must_be_gone_everywhere() -> None:
    topics, database = loop_that_adds_up()
    answer = only(topics.answers)
    topics.answers[answer] = AnswerState(3, None)
    assert found_by(topics, database) == {
        "acknowledged answers are published",
        "published answers are in the scorer",
        "counts a day and segment",
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


# Scores ------------------------------------------------------------------------------------------------------

BY_DAY = {
    (EVERYBODY, "a", date(2026, 3, 1)): Counts(3, 0, 1),
    (EVERYBODY, "a", date(2026, 3, 8)): Counts(0, 2, 0),
    (EVERYBODY, "", date(2026, 3, 8)): Counts(1, 0, 0),
    (("region", "SP"), "a", date(2026, 3, 8)): Counts(0, 2, 0),
}


def as_published(counts: Counts) -> dict[str, Any]:
    score = net_promoter_score(counts)
    return {
        "nps": score.nps, "low": score.low, "high": score.high, "n": counts.n,
        "promoters": counts.promoters, "passives": counts.passives, "detractors": counts.detractors,
        "at": "2026-03-08T12:00:00+00:00",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("key", "end", "expected"),
    [
        (("a", "7d", "everybody"), date(2026, 3, 8), Counts(0, 2, 0)),  # the first lies on the open end
        (("a", "7d", "everybody"), date(2026, 3, 7), Counts(3, 0, 1)),
        (("a", "30d", "everybody"), date(2026, 3, 8), Counts(3, 2, 1)),
        (("*", "7d", "everybody"), date(2026, 3, 8), Counts(1, 2, 0)),
        (("*", "all", "everybody"), date(2030, 1, 1), Counts(4, 2, 1)),
        (("a", "30d", "everybody"), date(2026, 4, 30), Counts()),
        (("a", "all", "region:SP"), date(2026, 3, 8), Counts(0, 2, 0)),
        (("a", "all", "region:RJ"), date(2026, 3, 8), Counts()),
    ],
)
def test_windows_are_recomputed(key: tuple[str, str, str], end: date, expected: Counts) -> None:
    assert scores.Windows(BY_DAY).counts(key, end) == expected


def published_scores(windows: scores.Windows, end: date) -> dict[tuple[str, str, str], dict[str, Any]]:
    return {key: as_published(windows.counts(key, end)) for key in windows.keys}


def test_scores_as_published_and_served_are_compared() -> None:
    windows = scores.Windows(BY_DAY)
    now = datetime(2026, 3, 8, 12, tzinfo=UTC)
    right = published_scores(windows, now.date())
    assert scores.published(windows, right, now, ZONE).differences == 0
    assert scores.served(windows, right, ZONE).differences == 0
    key = ("a", "7d", "everybody")
    wrong = {**right, key: {**right[key], "passives": 3, "n": 3}}
    assert scores.published(windows, wrong, now, ZONE).differences == 1
    assert scores.served(windows, wrong, ZONE).differences == 1
    wrong = {**right, key: {**right[key], "high": right[key]["high"] + 1}}
    assert scores.served(windows, wrong, ZONE).differences == 1


def test_a_score_that_was_not_published_again_when_the_day_passed_is_found() -> None:
    windows = scores.Windows(BY_DAY)
    published = published_scores(windows, date(2026, 3, 7))
    assert scores.published(windows, published, datetime(2026, 3, 8, 12, tzinfo=UTC), ZONE).differences > 0


def test_a_score_that_was_never_published_is_found() -> None:
    windows = scores.Windows(BY_DAY)
    now = datetime(2026, 3, 8, 12, tzinfo=UTC)
    published = published_scores(windows, now.date())
    del published["a", "all", "region:SP"]
    assert scores.published(windows, published, now, ZONE).differences == 1


def test_a_timer_that_waited_when_its_customer_was_erased_is_accounted_for() -> None:
    topics, database = loop_that_adds_up()
    gone = database.timers.pop()
    assert orders.timers_recomputed(topics, database).differences == 1
    database.decisions.append(Decision(None, "timer_cancelled", "erased", "o1", gone.timer_id))
    assert orders.timers_recomputed(topics, database).differences == 0
    database.timers.append(gone)
    assert orders.timers_recomputed(topics, database).differences == 1
