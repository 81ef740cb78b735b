"""A small loop whose books add up, for the audit's tests to damage, and what the checks find in it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from shared.contracts.identity import answer_id, case_id, send_id, timer_id
from shared.nps import Counts
from tools.audit.checks import answers, asking, cases, erasure, orders, timers
from tools.audit.facts import (
    AnswerState,
    Awaited,
    CampaignRule,
    CaseState,
    DatabaseFacts,
    Decision,
    Effect,
    Figures,
    OrderTold,
    ScorerRow,
    Sent,
    Timer,
    TopicFacts,
)
from tools.audit.log import Log
from tools.audit.report import Check

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


Damage = Callable[[TopicFacts, DatabaseFacts], object]


def found_after(damage: Damage, topics: TopicFacts, database: DatabaseFacts) -> set[str]:
    """What is found in the facts once they are damaged."""
    damage(topics, database)
    return found_by(topics, database)
