"""A small consistent loop for the audit's tests to damage, and what the checks find in it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from shared.contracts.identity import answer_id, case_id, send_id, timer_id
from tools.audit.arithmetic import Counts
from tools.audit.checks import answers, cases, consent, erasure, keys, orders, recurring, sends, timers
from tools.audit.decision_log import DecisionLog
from tools.audit.facts import (
    AnswerState,
    CampaignRule,
    CaseState,
    CollectorSend,
    DatabaseFacts,
    Decision,
    Effect,
    OrderEvent,
    RoutingRule,
    RoutingRules,
    ScorerAnswer,
    Send,
    Timer,
    TopicFacts,
    Totals,
)
from tools.audit.histories import KeyHistory
from tools.audit.report import Check

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
ZONE = ZoneInfo("America/Sao_Paulo")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NINETY_DAYS = 90 * DAY

SERVICE = CampaignRule(
    id="service",
    triggers=(("order.placed", HOUR),),
    stop_on=frozenset({"order.cancelled"}),
    quiet_period=None,
    pair_with="product",
)
PRODUCT = CampaignRule(
    id="product",
    triggers=(("order.delivered", 30 * DAY),),
    stop_on=frozenset({"order.cancelled"}),
    quiet_period=None,
    pair_with="service",
)

ROUTING = RoutingRules(
    rules=(
        RoutingRule(queue="detractors", scores=frozenset(range(7)), sla=DAY),
        RoutingRule(queue="others", scores=frozenset(range(7, 11))),
    )
)


def order_event(
    event_type: str, at: datetime, *, order: str = "o1", customer: str = "c1", offset: int = 0, **more: Any
) -> OrderEvent:
    return OrderEvent(
        identity=("/shop", f"{order}/{event_type}"),
        type=event_type,
        location=("orders", 0, offset),
        order_id=order,
        customer_id=customer,
        occurred_at=at,
        **{"promised_at": None, "shipment": None, **more},
    )


def decision_about(event: OrderEvent, position: int, *effects: Effect) -> Decision:
    """The decision about an event that was handled when it happened."""
    return Decision(
        position=position,
        decided_at=event.occurred_at,
        event=event.identity,
        outcome="timer_set" if effects else "no_timer",
        reason="milestone_reached",
        customer_id=event.customer_id,
        order_id=event.order_id,
        event_type=event.type,
        occurred_at=event.occurred_at,
        effects=effects,
    )


def decision_about_timer(
    outcome: str, position: int, timer: str, *, campaign: str = "service", until: datetime | None = None
) -> Decision:
    """The decision about a due timer of order o1."""
    return Decision(
        position=position,
        decided_at=NOON + HOUR,
        event=None,
        outcome=outcome,
        reason="due",
        customer_id="c1",
        order_id="o1",
        timer_id=timer,
        campaign=campaign,
        until=until,
    )


def history(*numbers: int) -> KeyHistory:
    """A key whose records carry these numbers; equal numbers are one record, published again."""
    found = KeyHistory(newest=numbers[0], last=numbers[0], content=numbers[0])
    for number in numbers[1:]:
        found.add(number, number)
    return found


def set_timer(campaign: str) -> Effect:
    return Effect(campaign=campaign, change="set", reason="milestone_reached")


def send(survey: str, campaign: str, customer: str, order: str | None, at: datetime, timer: str) -> Send:
    return Send(
        send_id=survey,
        campaign=campaign,
        campaign_version=1,
        channel="email",
        customer_id=customer,
        order_id=order,
        due_at=at,
        sent_at=at,
        expires_at=at + 30 * DAY,
        timer_id=timer,
    )


def consistent_loop() -> tuple[TopicFacts, DatabaseFacts]:
    """One order, one survey sent about it, one detractor's answer with its case, one timer for later."""
    placed = order_event("order.placed", NOON)
    delivered = order_event("order.delivered", NOON + 3 * DAY, offset=1)
    asked = timer_id(campaign="service", customer_id="c1", order_id="o1")
    survey = send_id(asked)
    answer = answer_id(survey)
    sent = send(survey, "service", "c1", "o1", NOON + HOUR, asked)
    in_segments = frozenset({("region", "SP"), ("category", "toys")})
    # 01:30 UTC is still the day before in São Paulo.
    state = AnswerState(
        revision=2,
        score=3,
        answered_at=datetime(2026, 3, 12, 1, 30, tzinfo=UTC),
        received_at=NOON + HOUR,
        campaign="service",
        segments=in_segments,
        customer_id="c1",
        send_id=survey,
        comment="Late",
        digest=b"words",
    )
    case = CaseState(
        case_id=case_id(answer),
        queue="detractors",
        status="open",
        sequence=2,
        answer_id=answer,
        score=3,
        revision=2,
        closed_reason=None,
        comment="Late",
        opened_at=NOON,
        changed_at=NOON,
        due_at=NOON + DAY,
    )
    day = date(2026, 3, 11)
    topics = TopicFacts(
        orders=[placed, delivered],
        sends={survey: replace(sent, timer_id=None, segments=in_segments, address="ana@example.com")},
        outcomes={survey: {"delivery.accepted", "delivery.opened"}},
        answers={answer: state},
        cases={"detractors": {case.case_id: case}},
        histories={
            ("surveys.answers", 0): {answer: history(1, 2)},
            ("followups.detractors", 0): {case.case_id: history(1, 2, 1, 2)},
            ("surveys.campaigns", 0): {"service": history(1), "product": history(1)},
        },
        ends={("orders", 0): 2},
    )
    later = NOON + 33 * DAY
    day_counts = {(segment, "service", day): Totals(Counts(detractors=1)) for segment in state.counted_in()}
    day_counts |= {
        (segment, "service", NOON.date()): Totals(Counts(), delivered=1, answered=1) for segment in state.counted_in()
    }
    database = DatabaseFacts(
        routing=ROUTING,
        decisions=[
            decision_about(placed, 1, set_timer("service")),
            decision_about_timer("sent", 2, asked),
            decision_about(delivered, 3, set_timer("product")),
        ],
        timers=[
            Timer(
                timer_id=timer_id(campaign="product", customer_id="c1", order_id="o1"),
                campaign="product",
                customer_id="c1",
                order_id="o1",
                cause="milestone",
                occurrence=0,
                due_at=later,
                check_at=later,
            )
        ],
        sends={survey: sent},
        deliveries={survey: "delivery.accepted"},
        campaigns={"service": SERVICE, "product": PRODUCT},
        collector_sends={
            survey: CollectorSend(
                campaign="service",
                campaign_version=1,
                customer_id="c1",
                order_id="o1",
                sent_at=NOON + HOUR,
                expires_at=sent.expires_at,
                segments=in_segments,
                erased=False,
            )
        },
        answers={answer: state},
        scorer_answers={
            answers.scorer_key(answer): ScorerAnswer(
                revision=2, score=3, day=day, campaign="service", segments=state.segments
            )
        },
        day_counts=day_counts,
        comments={answers.scorer_key(answer): (3, "Late")},
        positions={("dispatcher", "orders", 0): 2},
        cases={case.case_id: case},
    )
    return topics, database


def all_checks(topics: TopicFacts, database: DatabaseFacts, mails: list[str] | None = None) -> list[Check]:
    log = DecisionLog.of(database.decisions)
    from_day = answers.delivered_from(topics, ZONE)
    return [
        orders.events_accounted_for(topics, database),
        orders.unreadable_dead_lettered(topics, database),
        timers.timers_recomputed(topics, database, log),
        timers.requests_recomputed(topics, database, log),
        orders.dead_letters_published(topics, database),
        sends.quiet_periods_kept(database, NINETY_DAYS),
        consent.nobody_against_their_will(topics, database, log),
        consent.preferences_known(topics, database),
        sends.sends_match_decisions(topics, database),
        timers.surveys_were_due(topics, database, log),
        recurring.surveys_were_due(topics, database, log),
        sends.outcomes_recorded(topics, database)[0],
        sends.surveys_answerable(topics, database, NOON + DAY),
        sends.mail_delivered_once(database, list(database.sends) if mails is None else mails, complete=True),
        answers.published(topics, database),
        answers.stored_by_scorer(topics, database, ZONE),
        answers.comments_shown(topics, database, kept=1_000, kept_since=NOON - timedelta(days=365)),
        keys.keys_of_their_own(topics, database),
        answers.day_counts(answers.totals_by_day(topics, ZONE), database, from_day),
        cases.one_per_answer(topics, database, kept_since=NOON - timedelta(days=1_100)),
        cases.in_right_queue(topics, database),
        cases.due_by_the_rules(topics, database),
        cases.published(topics, database, kept_since=NOON - timedelta(days=1_100)),
        cases.served(database, dict(database.cases)),
        erasure.no_personal_data_left(topics, database),
        keys.last_is_newest(topics),
        keys.numbers_go_up(topics, database),
    ]


def found_by(topics: TopicFacts, database: DatabaseFacts, mails: list[str] | None = None) -> set[str]:
    return {check.name for check in all_checks(topics, database, mails) if check.differences}


Damage = Callable[[TopicFacts, DatabaseFacts], object]


def found_after(damage: Damage, topics: TopicFacts, database: DatabaseFacts) -> set[str]:
    """The checks that find differences once the facts are damaged."""
    damage(topics, database)
    return found_by(topics, database)


def only(mapping: dict[str, Any]) -> str:
    (key,) = mapping
    return key
