"""Order events set, move and cancel timers, the same whatever order they come in, and each is told why."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from services.dispatcher.domain.campaigns import Campaign
from services.dispatcher.domain.customers import Customer
from services.dispatcher.domain.decisions import Decision
from services.dispatcher.domain.order_events import Changes, IncomingEvent, OrderBatch, distinct, incoming
from services.dispatcher.domain.order_plans import CampaignIndex
from services.dispatcher.domain.orders import Order
from services.dispatcher.domain.reasons import explain
from services.dispatcher.domain.segments import Segmentation
from services.dispatcher.domain.timers import Recurrence
from services.dispatcher.settings import SHIPPED_CAMPAIGNS, read_campaigns
from shared.contracts.orders import Customer as TellsOf
from shared.contracts.orders import Money, OrderEvent, Shipment
from shared.digests import CustomerDigests
from shared.guests import Guests
from tests.kit.messages import message

NOW = datetime(2026, 6, 1, tzinfo=UTC)
DAY, HOUR, MOMENT = timedelta(days=1), timedelta(hours=1), timedelta(microseconds=1)
SHIPPED = read_campaigns(SHIPPED_CAMPAIGNS)
PROMISED = Campaign.model_validate(
    {"id": "promised", "trigger": [{"after": "order.delivered"}, {"after": "order.promised"}], "valid_for": "30 days"}
)
GUESTS = Guests([], CustomerDigests("x" * 32))
CUSTOMERS, ORDERS = ("c-1", "c-2"), ("o-1", "o-2")


def batch(campaigns: list[Campaign] | None = None, **known: Any) -> OrderBatch:
    values: dict[str, Any] = {
        "orders": {name: Order(name) for name in ORDERS},
        "customers": {name: Customer(customer_id=name) for name in CUSTOMERS},
        "about_order": {},
        "recurring": {},
        "asked": set(),
        "recurrences": {},
        "campaigns": CampaignIndex(dict(enumerate(campaigns if campaigns is not None else SHIPPED))),
        "segmentation": Segmentation(),
        "now": NOW,
        **known,
    }
    return OrderBatch(**values)


def event(
    kind: str, at: datetime = NOW, order_id: str = "o-1", customer_id: str = "c-1", **fields: Any
) -> IncomingEvent:
    body = OrderEvent(order_id=order_id, occurred_at=at, customer=TellsOf(id=customer_id), **fields)
    return as_incoming(kind, body)


def as_incoming(kind: str, body: OrderEvent) -> IncomingEvent:
    return IncomingEvent(
        decision_id="",
        type=f"order.{kind}",
        source="/shop",
        event_id="",
        body=body,
        order_id=body.order_id,
        customer_id=body.customer.id,
        traceparent=None,
    )


def told(which: OrderBatch, *events: IncomingEvent) -> list[tuple[str, str]]:
    return [(decision.outcome, decision.reason) for decision in map(which.fold, events)]


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
        one.fold(each)
    for each in data.draw(st.permutations(again)):
        other.fold(each)
    assert one.orders == other.orders
    assert one.customers == other.customers
    assert one.timers() == other.timers()


@given(st.lists(events, max_size=7))
def test_every_event_is_given_an_outcome_a_person_can_read(arrived: list[IncomingEvent]) -> None:
    which = batch([*SHIPPED, PROMISED])
    for each in arrived:
        before = which.timers()
        decision = which.fold(each)
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
    assert which.about_order["product-nps", "o-1"].check_at == NOW + 32 * DAY
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
    asked = batch(only_service, asked={("service-nps", "o-1")})
    assert told(asked, event("placed")) == [("no_timer", "already_asked")]
    assert told(batch(only_service), event("placed"), event("placed")) == [
        ("timer_set", "milestone_reached"),
        ("no_timer", "no_change"),
    ]


def test_who_is_not_in_the_audience_gets_no_timer() -> None:
    silver = Campaign.model_validate(
        {"id": "silver", "trigger": {"after": "order.placed"}, "audience": {"tier": "silver"}}
    )
    tiers = {
        name: Customer(customer_id=name, details={"tier": (0, tier)})
        for name, tier in (("c-1", "silver"), ("c-2", "gold"))
    }
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
    assert which.about_order["promised", "o-1"].check_at == NOW + 5 * DAY
    told(which, event("delivered", NOW + 3 * DAY))
    assert which.about_order["promised", "o-1"].check_at == NOW + 3 * DAY


def test_a_promise_long_past_is_told_as_too_late_though_no_event_is_of_that_milestone() -> None:
    decision = batch([PROMISED]).fold(event("placed", NOW - 60 * DAY, promised_at=NOW - 40 * DAY))
    assert [(effect.campaign, effect.reason) for effect in decision.effects] == [("promised", "too_late")]


def test_a_deferred_timer_keeps_its_new_time_while_its_milestone_stays() -> None:
    which = batch()
    told(which, event("placed"))
    name = ("service-nps", "o-1")
    which.about_order[name] = replace(which.about_order[name], check_at=NOW + 9 * DAY)
    told(which, event("placed"), event("paid"))
    assert which.about_order[name].check_at == NOW + 9 * DAY


def test_an_order_that_changes_hands_takes_its_timer_along() -> None:
    which = batch()
    told(which, event("placed", NOW - HOUR, customer_id="c-1"))
    assert told(which, event("paid", customer_id="c-2")) == [("timer_set", "recurs")]
    assert which.about_order["service-nps", "o-1"].customer_id == "c-2"


def test_an_order_cancelled_unpaid_and_paid_after_all_is_asked_about() -> None:
    which = batch()
    assert told(which, event("placed", NOW - 3 * HOUR), event("cancelled", NOW - 2 * HOUR), event("paid", NOW)) == [
        ("timer_set", "milestone_reached"),
        ("timer_cancelled", "order_cancelled"),
        ("timer_set", "milestone_reached"),
    ]
    assert told(which, event("cancelled", NOW - 2 * HOUR)) == [("no_timer", "cancellation_reversed")]


def test_a_delivered_order_refunded_in_part_is_asked_about() -> None:
    which = batch()
    total, back = Money(amount=Decimal(100), currency="BRL"), Money(amount=Decimal(5), currency="BRL")
    decided = told(
        which,
        event("placed", NOW - 3 * DAY, total=total),
        event("delivered", NOW - DAY, total=total),
        event("refunded", NOW, total=back),
    )
    assert decided[-1] == ("no_timer", "refunded_in_part")
    assert {campaign for campaign, _ in which.about_order} == {"service-nps", "product-nps"}
    assert told(which, event("refunded", NOW, total=total)) == [("timer_cancelled", "order_refunded")]


def test_a_clock_that_is_ahead_freezes_no_detail_and_survives_no_erasure() -> None:
    which = batch()
    soon = NOW + 10 * 60 * 1_000_000 * MOMENT
    assert which.fold(event("placed", soon, channel="web")).occurred_at == soon
    order, customer = which.orders["o-1"], which.customers["c-1"]
    assert (order.first_event_at, customer.first_event_at) == (NOW, NOW)
    assert order.facts.happened == {"order.placed": soon}
    later = batch(now=soon, orders={**which.orders}, customers={**which.customers})
    later.fold(event("paid", NOW + MOMENT, channel="app"))
    assert later.orders["o-1"].details["sales_channel"][1] == "app"


def test_an_erased_customers_orders_are_not_asked_about() -> None:
    erased = Customer(customer_id="c-1", erased_at=NOW - HOUR)
    which = batch(customers={"c-1": erased, "c-2": Customer(customer_id="c-2")})
    assert told(which, event("placed", NOW - HOUR, attributes={"gift": "for Bo"})) == [("no_timer", "erased")]
    assert "attributes" not in which.orders["o-1"].details
    assert told(which, event("placed", NOW, order_id="o-2")) == [("timer_set", "milestone_reached")]


def test_after_it_fired_the_next_occurrence_has_another_name() -> None:
    which = batch(recurrences={("relationship-nps", "c-1"): Recurrence(4, NOW - DAY)})
    told(which, event("placed"))
    timer = which.recurring["relationship-nps", "c-1"]
    assert (timer.occurrence, timer.check_at) == (5, NOW + 89 * DAY)


def test_only_what_changed_is_written() -> None:
    only_service = [campaign for campaign in SHIPPED if campaign.id == "service-nps"]
    which = batch(only_service)
    assert which.changes() == Changes(orders=[], customers=[], timers=[], removed=[])
    told(which, event("placed"))
    changes = which.changes()
    assert [order.order_id for order in changes.orders] == ["o-1"]
    assert [customer.customer_id for customer in changes.customers] == ["c-1"]
    assert changes.timers == list(which.timers().values())
    assert changes.removed == []
    told(which, event("cancelled"))
    assert (which.changes().timers, which.changes().removed) == ([], []), "what was set and cancelled never was"


def test_a_cancelled_timer_is_removed_and_one_that_stays_is_not_written_again() -> None:
    first = batch()
    told(first, event("placed"))
    (about_order,) = [timer.timer_id for timer in first.timers().values() if timer.order_id is not None]
    again = batch(orders=first.orders, about_order=first.about_order, recurring=first.recurring)
    told(again, event("placed"), event("cancelled", NOW + HOUR))
    assert again.changes().removed == [about_order]
    assert again.changes().timers == []


def test_an_event_that_comes_twice_in_a_batch_is_one() -> None:
    body = event("placed").body

    received = [
        (message("orders", "order.placed", body, event_id="1", source=source, at=NOW), body)
        for source in ("/shop", "/shop", "/marketplace")
    ]
    taken = distinct(incoming(received, GUESTS))
    assert [(each.source, each.event_id) for each in taken] == [
        ("/shop", "1"),
        ("/marketplace", "1"),
    ]
