"""The audit's own tests: a consistent loop is clean, and every kind of inconsistency is found."""

from dataclasses import replace
from datetime import date

import pytest

from shared.contracts.identity import timer_id
from tests.unit.tools.audit.checks.loop import (
    DAY,
    HOUR,
    NOON,
    Damage,
    consistent_loop,
    decision_about,
    decision_about_timer,
    found_after,
    found_by,
    history,
    only,
    order_event,
    send,
    set_timer,
)
from tools.audit.arithmetic import Counts
from tools.audit.checks.answers import scorer_key
from tools.audit.facts import (
    EVERYBODY,
    AnswerState,
    CaseState,
    DatabaseFacts,
    Preferences,
    StillCounted,
    Timer,
    TopicFacts,
    Totals,
)
from tools.audit.histories import Misplaced


def test_a_loop_that_is_consistent_is_clean() -> None:
    topics, database = consistent_loop()
    assert found_by(topics, database) == set()


ANSWERED_ON = date(2026, 3, 11)


def cancelled_before_it_was_sent(topics: TopicFacts, database: DatabaseFacts) -> None:
    cancelled = order_event("order.cancelled", NOON + HOUR / 2, offset=2)
    topics.orders.append(cancelled)
    database.decisions.insert(1, decision_about(cancelled, 1))


DAMAGES: dict[str, tuple[str, Damage]] = {
    "an event without a decision": (
        "order events accounted for", lambda _t, d: d.decisions.pop(0)),
    "an event decided twice": (
        "order events accounted for", lambda _t, d: d.decisions.append(d.decisions[0])),
    "a decision about nothing": (
        "order events accounted for", lambda t, _d: t.orders.pop()),
    "an unreadable record that vanished": (
        "unreadable records dead-lettered", lambda t, _d: t.unreadable.add(("orders", 0, 9))),
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
        "timers recomputed", lambda _t, d: d.timers.append(replace(d.timers.pop(), due_at=NOON))),
    "a timer about nothing": (
        "timers recomputed", lambda _t, d: d.timers.append(replace(d.timers[0], order_id="o9"))),
    "a timer of a campaign nobody knows": (
        "timers recomputed", lambda _t, d: d.timers.append(replace(d.timers[0], campaign="x"))),
    "a timer that should have been called off": (
        "timers recomputed", lambda t, _d: t.orders.append(order_event("order.cancelled", NOON + 4 * DAY, offset=2))),
    "a timer beside its own verdict": (
        "timers recomputed",
        lambda _t, d: d.decisions.append(decision_about_timer("skipped", 9, d.timers[0].timer_id, campaign="product"))),
    "a timer to be checked at another time": (
        "timers recomputed", lambda _t, d: d.timers.append(replace(d.timers.pop(), check_at=NOON + 400 * DAY))),
    "a timer of another customer": (
        "timers recomputed", lambda _t, d: d.timers.append(replace(d.timers.pop(), customer_id="c2"))),
    "a timer under another id": (
        "timers recomputed", lambda _t, d: d.timers.append(replace(d.timers.pop(), timer_id="t9"))),
    "a customer asked again too soon": (
        "quiet periods kept",
        lambda _t, d: d.sends.update(x=send("x", "service", "c1", "o2", NOON + 89 * DAY, "t2"))),
    "a pair about two orders": (
        "quiet periods kept",
        lambda _t, d: d.sends.update(x=send("x", "product", "c1", "o2", NOON + 31 * DAY, "t2"))),
    "a timer sent twice": (
        "sends match decisions",
        lambda _t, d: d.sends.update(x=replace(d.sends[only(d.sends)], send_id="x", sent_at=NOON + 100 * DAY))),
    "a send that was never published": (
        "sends match decisions", lambda t, _d: t.sends.clear()),
    "a send nobody decided": (
        "sends match decisions", lambda t, _d: t.sends.update(x=send("x", "service", "c2", None, NOON, "t2"))),
    "a send published as another": (
        "sends match decisions",
        lambda t, _d: t.sends.update({only(t.sends): replace(t.sends[only(t.sends)], customer_id="c2")})),
    "a survey sent at another time than its campaign says": (
        "sent surveys were due",
        lambda t, d: (d.sends.update({only(d.sends): replace(d.sends[only(d.sends)], due_at=NOON)}),
                      t.sends.update({only(t.sends): replace(t.sends[only(t.sends)], due_at=NOON)}))),
    "a survey sent before it was due": (
        "sent surveys were due",
        lambda _t, d: d.sends.update({only(d.sends): replace(d.sends[only(d.sends)], sent_at=NOON)})),
    "a survey about an order that had been cancelled": (
        "sent surveys were due",
        lambda t, d: cancelled_before_it_was_sent(t, d)),
    "a send whose link is open longer than was told": (
        "sends match decisions",
        lambda _t, d: d.sends.update({only(d.sends): replace(d.sends[only(d.sends)], expires_at=NOON + 99 * DAY)})),
    "a send without its verdict": (
        "sends match decisions", lambda _t, d: d.decisions.pop(1)),
    "a verdict without its send": (
        "sends match decisions", lambda _t, d: d.decisions.append(decision_about_timer("sent", 9, "t9"))),
    "a survey nobody can answer": (
        "sent surveys can be answered", lambda _t, d: d.collector_sends.clear()),
    "a survey the collector knows otherwise": (
        "sent surveys can be answered",
        lambda _t, d: d.collector_sends.update(
            {only(d.collector_sends): replace(d.collector_sends[only(d.collector_sends)], segments=frozenset())})),
    "a collector that accepts answers to no survey": (
        "sent surveys can be answered",
        lambda _t, d: d.collector_sends.update(x=d.collector_sends[only(d.collector_sends)])),
    "a send the courier never heard of": (
        "every send has one outcome", lambda _t, d: d.deliveries.clear()),
    "an outcome that was not published": (
        "every send has one outcome", lambda t, _d: t.outcomes.clear()),
    "two outcomes": (
        "every send has one outcome", lambda t, _d: t.outcomes[only(t.outcomes)].add("delivery.bounced")),
    "an acknowledged answer that was lost": (
        "acknowledged answers are published", lambda t, _d: t.answers.clear()),
    "an answer nobody acknowledged": (
        "acknowledged answers are published", lambda _t, d: d.answers.clear()),
    "a comment that changed on the way": (
        "acknowledged answers are published",
        lambda _t, d: d.answers.update({only(d.answers): replace(d.answers[only(d.answers)], comment="Early")})),
    "a further answer that changed on the way": (
        "acknowledged answers are published",
        lambda _t, d: d.answers.update({only(d.answers): replace(d.answers[only(d.answers)], digest=b"other")})),
    "a comment shown otherwise": (
        "comments match answers", lambda _t, d: d.comments.update({only(d.comments): (3, "Early")})),
    "a comment of no answer": (
        "comments match answers", lambda _t, d: d.comments.update(x=(3, "Late"))),
    "a comment that is shown nowhere": (
        "comments match answers", lambda _t, d: d.comments.clear()),
    "a comment of two answers, of which one is missing": (
        "comments match answers",
        lambda t, _d: t.answers.update(x=replace(t.answers[only(t.answers)], comment="Early"))),
    "two answers under one key of the scorer": (
        "each answer has a key of its own",
        lambda t, _d: t.answers.update({"till-1": AnswerState(revision=1, score=3)} | {
            scorer_key("till-1"): AnswerState(revision=1, score=4)})),
    "two acknowledged answers under one key of the scorer": (
        "each answer has a key of its own",
        lambda _t, d: d.answers.update({"till-1": AnswerState(revision=1, score=3)} | {
            scorer_key("till-1"): AnswerState(revision=1, score=4)})),
    "a record under the key of another": (
        "the last record of a key is its newest",
        lambda t, _d: t.misplaced.append(Misplaced(("surveys.answers", 0, 9), "a9"))),
    "an old answer written over its amendment": (
        "the last record of a key is its newest",
        lambda t, _d: t.histories["surveys.answers", 0].update({only(t.answers): history(1, 2, 1)})),
    "a score written over a newer one": (
        "the last record of a key is its newest",
        lambda t, _d: t.histories.update({("nps.scores", 2): {"a\x1f7d\x1feverybody": history(4, 5, 4)}})),
    "preferences written over newer ones": (
        "the last record of a key is its newest",
        lambda t, _d: t.histories.update({("customers.preferences", 2): {"c1": history(2, 3, 1)}})),
    "an old case written over a newer one": (
        "the last record of a key is its newest",
        lambda t, _d: t.histories["followups.detractors", 0].update({only(t.cases["detractors"]): history(2, 1)})),
    "a campaign written over a newer version": (
        "the last record of a key is its newest",
        lambda t, _d: t.histories["surveys.campaigns", 0].update(service=history(1, 2, 1))),
    "a number used for something else": (
        "no number goes back",
        lambda t, _d: t.histories["surveys.answers", 0][only(t.answers)].add(2, 999)),
    "a campaign set back to an earlier version": (
        "no number goes back", lambda t, _d: t.histories["surveys.campaigns", 0].update(service=history(1, 2))),
    "a score set back to an earlier sequence": (
        "no number goes back",
        lambda t, d: (t.histories.update({("nps.scores", 0): {"k": history(5)}}), d.score_sequences.update(k=4))),
    "preferences that were never published": (
        "no number goes back", lambda _t, d: d.preferences.update(c1=Preferences(revision=3))),
    "a topic that was made anew": (
        "no number goes back", lambda _t, d: d.positions.update({("dispatcher", "orders", 0): 3})),
    "an answer the scorer missed": (
        "published answers are in the scorer", lambda _t, d: d.scorer_answers.clear()),
    "an answer on the wrong day": (
        "published answers are in the scorer",
        lambda _t, d: d.scorer_answers.update(
            {only(d.scorer_answers): replace(d.scorer_answers[only(d.scorer_answers)], day=date(2026, 3, 12))})),
    "an answer counted twice": (
        "counts per day and segment",
        lambda _t, d: d.day_counts.update(
            {(EVERYBODY, "service", ANSWERED_ON): Totals(Counts(detractors=2))})),
    "an answered survey counted as not answered": (
        "counts per day and segment",
        lambda _t, d: d.day_counts.update({(EVERYBODY, "service", NOON.date()): Totals(delivered=1)})),
    "an answer counted as answered on its own day": (
        "counts per day and segment",
        lambda _t, d: d.day_counts.update(
            {(EVERYBODY, "service", ANSWERED_ON): Totals(Counts(detractors=1), answered=1)})),
    "a survey counted as delivered twice": (
        "counts per day and segment",
        lambda _t, d: d.day_counts.update({(EVERYBODY, "service", NOON.date()): Totals(Counts(), delivered=2)})),
    "a survey that came back counted as delivered": (
        "counts per day and segment", lambda t, _d: t.outcomes[only(t.outcomes)].add("delivery.bounced")),
    "a delivered survey not counted in a segment": (
        "counts per day and segment", lambda _t, d: d.day_counts.pop((("region", "SP"), "service", NOON.date()))),
    "an answer not counted in a segment": (
        "counts per day and segment", lambda _t, d: d.day_counts.pop((("region", "SP"), "service", ANSWERED_ON))),
    "a count that stayed behind": (
        "counts per day and segment",
        lambda _t, d: d.day_counts.update({(EVERYBODY, "service", date(2026, 3, 9)): Totals(Counts(promoters=1))})),
    "a detractor nobody heard": (
        "one case per answer", lambda _t, d: d.cases.clear()),
    "a case about an older score": (
        "one case per answer",
        lambda _t, d: d.cases.update({only(d.cases): replace(d.cases[only(d.cases)], revision=1)})),
    "a case with other words": (
        "one case per answer",
        lambda _t, d: d.cases.update({only(d.cases): replace(d.cases[only(d.cases)], comment="Early")})),
    "a case due at another time than published": (
        "published cases",
        lambda t, d: t.cases["detractors"].update(
            {only(d.cases): replace(d.cases[only(d.cases)], due_at=NOON + 9 * DAY)})),
    "a case due later than its rule says, also as published": (
        "deadlines follow the routing rules",
        lambda t, d: [
            each.update({only(each): replace(each[only(each)], due_at=NOON + 9 * DAY)})
            for each in (d.cases, t.cases["detractors"])]),
    "a detractor without a deadline": (
        "deadlines follow the routing rules",
        lambda t, d: [
            each.update({only(each): replace(each[only(each)], due_at=None)})
            for each in (d.cases, t.cases["detractors"])]),
    "a case that moved and left its answer behind": (
        "published cases",
        lambda t, d: t.cases.update(
            promoters={only(d.cases): replace(d.cases[only(d.cases)], queue="promoters", status="closed")})),
    "a case about no answer": (
        "one case per answer",
        lambda _t, d: d.cases.update(x=CaseState(
            case_id="x", queue="detractors", status="open", sequence=1, answer_id="a9", score=0, revision=1,
            closed_reason=None))),
    "a detractor in the wrong queue": (
        "every detractor in the right queue",
        lambda _t, d: d.cases.update({only(d.cases): replace(d.cases[only(d.cases)], queue="passives")})),
    "a case that was not published": (
        "published cases", lambda t, _d: t.cases.clear()),
    "a case published as it was before": (
        "published cases",
        lambda t, d: t.cases["detractors"].update({only(d.cases): replace(d.cases[only(d.cases)], sequence=1)})),
    "a case that moved and stayed": (
        "published cases",
        lambda t, d: t.cases.update(promoters={only(d.cases): replace(d.cases[only(d.cases)], queue="promoters")})),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGES)
def test_every_damage_is_found(name: str) -> None:
    check, damage = DAMAGES[name]
    assert check in found_after(damage, *consistent_loop())


def test_an_erased_answer_must_be_gone_everywhere() -> None:
    topics, database = consistent_loop()
    answer = only(topics.answers)
    topics.answers[answer] = AnswerState(revision=3, score=None)
    assert found_by(topics, database) == {
        "acknowledged answers are published",
        "published answers are in the scorer",
        "counts per day and segment",
        "comments match answers",
        "one case per answer",
    }


def test_an_erased_answer_goes_on_counting_as_it_says() -> None:
    topics, database = consistent_loop()
    answer, key = only(topics.answers), only(database.scorer_answers)
    still = StillCounted(group="detractor", day=ANSWERED_ON, surveyed=True)
    erased = replace(topics.answers[answer], revision=3, score=None, answered_at=None, send_id=None, still=still)
    topics.answers[answer] = erased
    # Only the topic says what it counts as: the collector keeps nothing.
    database.answers[answer] = AnswerState(revision=3, score=None)
    database.scorer_answers[key] = replace(
        database.scorer_answers[key], revision=3, score=None, erased_group="detractor"
    )
    database.comments.clear()
    assert found_by(topics, database) == {"one case per answer"}
    database.day_counts[EVERYBODY, "service", ANSWERED_ON] = Totals()
    assert "counts per day and segment" in found_by(topics, database)


def test_only_what_kafka_has_deleted_is_left_out() -> None:
    topics, database = consistent_loop()
    later = order_event("order.delivered", NOON + 9 * DAY, order="o2", offset=2)
    topics.orders.append(later)
    due = NOON + 39 * DAY
    database.decisions.append(decision_about(later, 4, set_timer("product")))
    database.timers.append(
        Timer(
            timer_id=timer_id(campaign="product", customer_id="c1", order_id="o2"),
            campaign="product",
            customer_id="c1",
            order_id="o2",
            cause="milestone",
            occurrence=0,
            due_at=due,
            check_at=due,
        )
    )
    assert found_by(topics, database) == set()
    topics.orders.pop(0)
    topics.retained_since = {
        "orders": NOON + DAY,
        "surveys.sends": NOON + 8 * DAY,
        "surveys.deliveries": NOON + 8 * DAY,
    }
    topics.sends.clear()
    topics.outcomes.clear()
    assert found_by(topics, database) == set()
    database.timers[1] = replace(database.timers[1], due_at=NOON, check_at=NOON)
    assert found_by(topics, database) == {"timers recomputed"}
