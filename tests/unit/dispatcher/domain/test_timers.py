"""Order events set, move and cancel timers, the same whatever order they come in, and each is told why."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.dispatcher.actions.campaigns import read_folder
from services.dispatcher.actions.orders import IncomingEvent, OrderBatch
from services.dispatcher.domain.campaigns import Campaign
from services.dispatcher.domain.customers import Customer
from services.dispatcher.domain.decisions import Decision, explain
from services.dispatcher.domain.orders import Order
from services.dispatcher.domain.segments import Segmentation
from services.dispatcher.domain.timers import Plan, Timer, plan_recurrence
from services.dispatcher.repository.timers import Recurrence
from services.dispatcher.settings import SHIPPED_CAMPAIGNS
from shared.contracts.orders import Customer as TellsOf
from shared.contracts.orders import OrderEvent, Shipment

NOW = datetime(2026, 6, 1, tzinfo=UTC)
DAY, HOUR, MOMENT = timedelta(days=1), timedelta(hours=1), timedelta(microseconds=1)
SHIPPED = read_folder(SHIPPED_CAMPAIGNS)
PROMISED = Campaign.model_validate(
    {"id": "promised", "trigger": [{"after": "order.delivered"}, {"after": "order.promised"}], "valid_for": "30 days"}
)
CUSTOMERS, ORDERS = ("c-1", "c-2"), ("o-1", "o-2")


def batch(campaigns: list[Campaign] | None = None, **known: Any) -> OrderBatch:
    values: dict[str, Any] = {
        "orders": {name: Order(name) for name in ORDERS},
        "customers": {name: Customer(name) for name in CUSTOMERS},
        "about_order": {},
        "recurring": {},
        "asked": set(),
        "recurrences": {},
        "campaigns": campaigns if campaigns is not None else SHIPPED,
        "segmentation": Segmentation(),
        "now": NOW,
        **known,
    }
    return OrderBatch(**values)


def event(
    kind: str, at: datetime = NOW, order_id: str = "o-1", customer_id: str = "c-1", **fields: Any
) -> IncomingEvent:
    body = OrderEvent(order_id=order_id, occurred_at=at, customer=TellsOf(id=customer_id), **fields)
    return IncomingEvent("", f"order.{kind}", "/shop", "", body, None)


def told(which: OrderBatch, *events: IncomingEvent) -> list[tuple[str, str]]:
    return [(decision.outcome, decision.reason) for decision in map(which.take_in, events)]


events = st.builds(
    lambda kind, hours, order_id, customer_id, shipment, promised: event(
        kind,
        NOW + hours * HOUR,
        order_id,
        customer_id,
        shipment=None if shipment is None else Shipment(id=shipment, of=2),
        promised_at=None if promised is None else NOW + promised * DAY,
    ),
    st.sampled_from(["placed", "paid", "shipped", "delivered", "cancelled", "refunded", "returned"]),
    st.integers(-1_000, 0),
    st.sampled_from(ORDERS),
    st.sampled_from(CUSTOMERS),
    st.sampled_from([None, "s-1", "s-2"]),
    st.none() | st.integers(-20, 5),
)


@settings(max_examples=300)
@given(st.lists(events, max_size=7), st.data())
def test_any_interleaving_and_duplication_leaves_the_same_timers(
    arrived: list[IncomingEvent], data: st.DataObject
) -> None:
    again = [*arrived, *data.draw(st.lists(st.sampled_from(arrived), max_size=3))] if arrived else []
    one, other = batch([*SHIPPED, PROMISED]), batch([*SHIPPED, PROMISED])
    for each in arrived:
        one.take_in(each)
    for each in data.draw(st.permutations(again)):
        other.take_in(each)
    assert one.orders == other.orders
    assert one.customers == other.customers
    assert one.timers() == other.timers()


@given(st.lists(events, max_size=7))
def test_every_event_is_given_an_outcome_a_person_can_read(arrived: list[IncomingEvent]) -> None:
    which = batch([*SHIPPED, PROMISED])
    for each in arrived:
        before = which.timers()
        decision = which.take_in(each)
        assert readable(decision)
        changed = before != which.timers()
        assert decision.outcome.startswith("timer_") == changed


def readable(decision: Decision) -> bool:
    sentence = explain(decision.outcome, decision.reason)
    return decision.reason not in sentence or " " in decision.reason or decision.reason == "due"


def test_the_life_of_an_order() -> None:
    which = batch()
    assert told(which, event("placed")) == [("timer_set", "milestone_reached")]
    assert told(which, event("paid", NOW + HOUR)) == [("no_timer", "no_campaign_matches")]
    assert told(which, event("delivered", NOW + DAY, shipment=Shipment(id="s-1", of=2))) == [
        ("no_timer", "shipments_awaited")
    ]
    assert told(which, event("delivered", NOW + 2 * DAY, shipment=Shipment(id="s-2", of=2))) == [
        ("timer_set", "milestone_reached")
    ]
    assert which.about_order["product-nps", "o-1"].due_at == NOW + 32 * DAY
    assert told(which, event("delivered", NOW + DAY, shipment=Shipment(id="s-2", of=2))) == [
        ("timer_moved", "milestone_moved")
    ]
    assert told(which, event("returned", NOW + 3 * DAY)) == [("timer_cancelled", "order_returned")]
    assert told(which, event("refunded", NOW + 3 * DAY), event("placed")) == [
        ("no_timer", "nothing_to_cancel"),
        ("no_timer", "already_stopped"),
    ]
    assert {timer.campaign for timer in which.timers().values()} == {"relationship-nps"}


def test_what_comes_to_be_known_too_late_or_was_asked_already_sets_nothing() -> None:
    only_service = [campaign for campaign in SHIPPED if campaign.id == "service-nps"]
    assert told(batch(only_service), event("placed", NOW - 15 * DAY)) == [("no_timer", "too_late")]
    asked = batch(only_service, asked={("o-1", "service-nps")})
    assert told(asked, event("placed")) == [("no_timer", "already_asked")]
    assert told(batch(only_service), event("placed"), event("placed")) == [
        ("timer_set", "milestone_reached"),
        ("no_timer", "no_change"),
    ]


def test_who_is_not_in_the_audience_gets_no_timer() -> None:
    silver = Campaign.model_validate(
        {"id": "silver", "trigger": {"after": "order.placed"}, "audience": {"tier": "silver"}}
    )
    tiers = {name: Customer(name, details={"tier": (0, tier)}) for name, tier in (("c-1", "silver"), ("c-2", "gold"))}
    which = batch([silver], customers=tiers)
    assert told(which, event("placed")) == [("timer_set", "milestone_reached")]
    assert told(which, event("placed", order_id="o-2", customer_id="c-2")) == [("no_timer", "not_in_audience")]


def test_a_question_makes_sense_up_to_the_last_moment() -> None:
    only_service = [campaign for campaign in SHIPPED if campaign.id == "service-nps"]
    last = NOW - HOUR - 14 * DAY
    assert told(batch(only_service), event("placed", last)) == [("timer_set", "milestone_reached")]
    assert told(batch(only_service), event("placed", last - MOMENT)) == [("no_timer", "too_late")]


def test_of_several_triggers_the_earliest_wins() -> None:
    which = batch([PROMISED])
    told(which, event("placed", promised_at=NOW + 5 * DAY))
    assert which.about_order["promised", "o-1"].due_at == NOW + 5 * DAY
    told(which, event("delivered", NOW + 3 * DAY))
    assert which.about_order["promised", "o-1"].due_at == NOW + 3 * DAY


def test_a_promise_long_past_is_told_as_too_late_though_no_event_is_of_that_milestone() -> None:
    decision = batch([PROMISED]).take_in(event("placed", NOW - 60 * DAY, promised_at=NOW - 40 * DAY))
    assert [(effect.campaign, effect.reason) for effect in decision.effects] == [("promised", "too_late")]


def test_a_deferred_timer_keeps_its_new_time_while_its_milestone_stays() -> None:
    which = batch()
    told(which, event("placed"))
    name = ("service-nps", "o-1")
    waiting = which.about_order[name]
    which.about_order[name] = Timer(
        waiting.timer_id, *name[:1], "c-1", "o-1", "milestone", 0, waiting.milestone_at, NOW + 9 * DAY
    )
    told(which, event("placed"), event("paid"))
    assert which.about_order[name].due_at == NOW + 9 * DAY


def test_an_order_that_changes_hands_takes_its_timer_along() -> None:
    which = batch()
    told(which, event("placed", NOW - HOUR, customer_id="c-1"))
    assert told(which, event("paid", customer_id="c-2")) == [("timer_set", "recurs")]
    assert which.about_order["service-nps", "o-1"].customer_id == "c-2"


def test_an_erased_customers_orders_are_not_asked_about() -> None:
    erased = Customer("c-1", erased_at=NOW)
    which = batch(customers={"c-1": erased, "c-2": Customer("c-2")})
    assert told(which, event("placed", NOW - HOUR, attributes={"gift": "for Bo"})) == [("no_timer", "erased")]
    assert "attributes" not in which.orders["o-1"].details
    assert told(which, event("placed", NOW + HOUR, order_id="o-2")) == [("timer_set", "milestone_reached")]


@pytest.mark.parametrize(
    ("first", "fired", "due"),
    [
        (NOW, None, NOW + 90 * DAY),
        (NOW - 100 * DAY, None, NOW - 10 * DAY),  # still worth asking
        (NOW - 1_000 * DAY, None, NOW - 10 * DAY),  # the eleventh time, the ten before are passed over
        (NOW - 1_000 * DAY, NOW - 5 * DAY, NOW + 85 * DAY),
        (NOW - 104 * DAY, None, NOW - 14 * DAY),  # the last moment it is
        (NOW - 104 * DAY - MOMENT, None, NOW + 76 * DAY - MOMENT),
    ],
)
def test_when_a_recurring_campaign_asks_next(first: datetime, fired: datetime | None, due: datetime) -> None:
    relationship = next(campaign for campaign in SHIPPED if campaign.every)
    brief = relationship.model_copy(update={"valid_for": 14 * DAY})
    assert plan_recurrence(brief, Customer("c-1", first_event_at=first), fired, NOW).due_at == due


def test_who_was_erased_is_not_asked_again_for_having_been_asked_before() -> None:
    relationship = next(campaign for campaign in SHIPPED if campaign.every)
    erased = Customer("c-1", erased_at=NOW)
    assert plan_recurrence(relationship, erased, NOW - 10 * DAY, NOW) == Plan(None, "erased")
    back = Customer("c-1", erased_at=NOW - DAY, first_event_at=NOW)
    assert plan_recurrence(relationship, back, NOW - 10 * DAY, NOW).due_at == NOW + 80 * DAY


def test_after_it_fired_the_next_occurrence_has_another_name() -> None:
    which = batch(recurrences={("relationship-nps", "c-1"): Recurrence(4, NOW - DAY)})
    told(which, event("placed"))
    timer = which.recurring["relationship-nps", "c-1"]
    assert (timer.occurrence, timer.due_at) == (5, NOW + 89 * DAY)


def test_a_question_another_campaign_kept_from_being_asked_in_time_is_told_so() -> None:
    sentence = explain("skipped", "expired", "2026-06-16 10:00", "product-nps")
    assert "product-nps" in sentence and "2026-06-16 10:00" in sentence
    alone = explain("skipped", "expired")
    assert "another campaign" not in alone and "too late" in alone
    assert explain("skipped", "unsubscribed", "2026-06-16 10:00", "product-nps") == explain("skipped", "unsubscribed")
