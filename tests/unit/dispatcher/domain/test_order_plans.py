"""However many campaigns there are, each decides as if it were looked at alone."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from services.dispatcher.domain import timers as timer_rules
from services.dispatcher.domain.campaigns import Campaign, CampaignSet
from services.dispatcher.domain.customers import Customer
from services.dispatcher.domain.decisions import Decision
from services.dispatcher.domain.order_events import IncomingEvent, OrderBatch
from services.dispatcher.domain.order_plans import CampaignIndex, OrderAsked, plan_order
from services.dispatcher.domain.orders import STOPS, Order
from services.dispatcher.domain.reasons import Reason
from services.dispatcher.domain.segments import Segmentation, matches, of_campaign, of_order
from services.dispatcher.domain.timers import Effect, Plan
from shared.contracts.orders import Customer as TellsOf
from shared.contracts.orders import Item, Money, OrderEvent, Shipment
from tests.unit.dispatcher.domain.test_order_events import CUSTOMERS, DAY, HOUR, NOW, ORDERS, as_incoming

SEGMENTATION = Segmentation(value_bands={"*": (Decimal(50), Decimal(100))})
MAX_CONDITIONS = 10
COUNTRIES, TIERS, CATEGORIES = ("BR", "NO"), ("gold", "silver"), ("toys", "books", "tea")

conditions = st.fixed_dictionaries(
    {},
    optional={
        "country": st.lists(st.sampled_from(COUNTRIES), max_size=2),
        "tier": st.lists(st.sampled_from(TIERS), max_size=2),
        "category": st.lists(st.sampled_from(CATEGORIES), max_size=2),
        "order_value": st.just(["BRL under 50"]) | st.just(["BRL 100 and more"]),
        "sales_channel": st.just(["web"]),
        "cohort": st.just(["2026-05", "2026-06"]),
        "delivery": st.sampled_from([["late"], ["on_time", "late"]]),
        "experiment": st.just(["A"]),
        "attributes.vip": st.just(["yes"]),
        "survey_channel": st.sampled_from([["email"], ["sms"]]),
        "campaign": st.sampled_from([["c-0", "c-1"], ["c-2"]]),
    },
)
audiences = st.builds(lambda found: dict(list(found.items())[:MAX_CONDITIONS]), conditions)
definitions = st.fixed_dictionaries(
    {
        "active": st.sampled_from([True, True, True, False]),
        "audience": audiences,
        "valid_for": st.sampled_from(["1 hour", "14 days", "60 days"]),
        "stop_on": st.sampled_from([STOPS, (), ("order.returned",), ("order.refunded", "order.cancelled")]),
    }
)
triggers = st.lists(
    st.fixed_dictionaries(
        {
            "after": st.sampled_from(
                ["order.placed", "order.paid", "order.shipped", "order.delivered", "order.promised"]
            ),
            "delay": st.sampled_from(["0 days", "1 hour", "30 days"]),
        }
    ),
    min_size=1,
    max_size=3,
)
moments = st.fixed_dictionaries({"trigger": triggers}) | st.just({"every": "90 days"})


@st.composite
def catalogues(draw: st.DrawFn) -> dict[int, Campaign]:
    """Campaigns by number, in another order than that of their numbers."""
    count = draw(st.integers(0, 6))
    numbers = draw(st.permutations(range(0, 3 * count, 3)))
    return {
        number: Campaign.model_validate({"id": f"c-{place}", **draw(definitions), **draw(moments)})
        for place, number in enumerate(numbers)
    }


def _event(kind: str, hours: int, fields: dict[str, Any], who: dict[str, Any]) -> IncomingEvent:
    body = OrderEvent(occurred_at=NOW + hours * HOUR, customer=TellsOf(**who), **fields)
    return as_incoming(kind, body)


events = st.builds(
    _event,
    st.sampled_from(["placed", "paid", "shipped", "delivered", "cancelled", "refunded", "returned"]),
    st.integers(-1_500, 0),
    st.fixed_dictionaries(
        {"order_id": st.sampled_from(ORDERS)},
        optional={
            "total": st.sampled_from([Money(amount=Decimal(amount), currency="BRL") for amount in (20, 70, 300)]),
            "items": st.lists(st.sampled_from([Item(category=name) for name in CATEGORIES]), max_size=2),
            "promised_at": st.integers(-20, 5).map(lambda days: NOW + days * DAY),
            "shipment": st.sampled_from([Shipment(id="s-1", of=2), Shipment(id="s-2", of=2)]),
            "channel": st.sampled_from(["web", "app"]),
            "attributes": st.sampled_from([{"vip": "yes"}, {"experiment": "A"}]),
        },
    ),
    st.fixed_dictionaries(
        {"id": st.sampled_from(CUSTOMERS)},
        optional={"country": st.sampled_from(COUNTRIES), "tier": st.sampled_from(TIERS)},
    ),
)


class OneByOne(OrderBatch):
    """Looks at every campaign for every event, as the rules are told to people."""

    def _align_with_order(
        self, asked: OrderAsked, event: IncomingEvent
    ) -> tuple[list[Effect], list[tuple[Reason, CampaignSet]]]:
        effects = []
        order = asked.order
        customer = self.customers[order.customer_id]
        for campaign in self.campaigns.every():
            name = (campaign.id, order.order_id)
            if name in self.asked:
                effects.append(Effect(campaign.id, "none", Reason.ALREADY_ASKED))
                continue
            plan = plan_alone(campaign, order, customer, self.segmentation)
            effect = timer_rules.order_effect(campaign, plan, self.about_order.get(name), order)
            if effect.change == "cancelled":
                del self.about_order[name]
            elif effect.change != "none" and effect.check_at is not None:
                self.about_order[name] = timer_rules.order_timer(campaign, order, effect.check_at, event.traceparent)
            effects.append(effect)
        return effects, []


def plan_alone(campaign: Campaign, order: Order, customer: Customer, segmentation: Segmentation) -> Plan:
    if not campaign.active:
        return Plan(None, Reason.CAMPAIGN_INACTIVE)
    if customer.was_erased_by(order.first_event_at):
        return Plan(None, Reason.ERASED)
    if (stop := order.stopped_by(campaign.stop_on)) is not None:
        return Plan(None, stop)
    reached = [(order.milestone(trigger.after), trigger.delay) for trigger in campaign.trigger]
    due_at = min((at + delay for at, delay in reached if at is not None), default=None)
    if due_at is None:
        return Plan(None, Reason.MILESTONE_AWAITED)
    segments = of_campaign(campaign, of_order(segmentation, customer, order, NOW))
    if not matches(campaign.audience, segments, order):
        return Plan(None, Reason.NOT_IN_AUDIENCE)
    return Plan(None, Reason.TOO_LATE) if due_at + campaign.valid_for < NOW else Plan(due_at, Reason.MILESTONE_REACHED)


def logged(decision: Decision, campaigns: dict[int, Campaign]) -> dict[str, Effect]:
    told = {effect.campaign: effect for effect in decision.effects}
    for reason, which in decision.left_out:
        for number, campaign in campaigns.items():
            if which >> number & 1:
                assert campaign.id not in told
                told[campaign.id] = Effect(campaign.id, "none", reason)
    return told


def _customers(erased: Iterable[str]) -> dict[str, Customer]:
    return {
        name: Customer(customer_id=name, erased_at=NOW - 500 * HOUR if name in erased else None) for name in CUSTOMERS
    }


@settings(max_examples=150)
@given(
    catalogues(),
    st.lists(events, max_size=6),
    st.sets(st.sampled_from(CUSTOMERS)),
    st.sets(st.tuples(st.sampled_from(["c-0", "c-1", "gone"]), st.sampled_from(ORDERS))),
)
def test_every_campaign_decides_as_if_it_were_alone(
    campaigns: dict[int, Campaign], arrived: list[IncomingEvent], erased: set[str], asked: set[tuple[str, str]]
) -> None:
    kinds: tuple[type[OrderBatch], ...] = (OrderBatch, OneByOne)
    together, one_by_one = (
        kind(
            orders={name: Order(name) for name in ORDERS},
            customers=_customers(erased),
            about_order={},
            recurring={},
            asked=set(asked),
            recurrences={},
            campaigns=CampaignIndex(campaigns),
            segmentation=SEGMENTATION,
            now=NOW,
        )
        for kind in kinds
    )
    for event in arrived:
        decision, plain = together.fold(event), one_by_one.fold(event)
        assert (decision.outcome, decision.reason) == (plain.outcome, plain.reason)
        assert logged(decision, campaigns) == logged(plain, campaigns)
        assert replace(decision, effects=(), left_out=()) == replace(plain, effects=(), left_out=())
    assert together.timers() == one_by_one.timers()


@given(definitions, triggers, st.lists(events, min_size=1, max_size=3), st.booleans())
def test_a_dry_run_plans_by_the_same_rules(
    definition: dict[str, Any], trigger: list[dict[str, str]], arrived: list[IncomingEvent], erased: bool
) -> None:
    campaign = Campaign.model_validate({"id": "c-0", **definition, "trigger": trigger})
    batch = OrderBatch(
        orders={name: Order(name) for name in ORDERS},
        customers=_customers(CUSTOMERS if erased else ()),
        about_order={},
        recurring={},
        asked=set(),
        recurrences={},
        campaigns=CampaignIndex({}),
        segmentation=SEGMENTATION,
        now=NOW,
    )
    for event in arrived:
        batch.fold(event)
    order = batch.orders[arrived[-1].body.order_id]
    customer = batch.customers[order.customer_id]
    planned = plan_order(campaign, OrderAsked(order, customer, SEGMENTATION, NOW))
    assert planned == plan_alone(campaign, order, customer, SEGMENTATION)


def test_an_event_looks_only_at_the_campaigns_it_concerns() -> None:
    """Two hundred for as many regions cost an order of one region as much as one."""
    campaigns = {
        number: Campaign.model_validate(
            {"id": f"region-{number}", "trigger": {"after": "order.placed"}, "audience": {"region": f"r-{number}"}}
        )
        for number in range(200)
    }
    index = CampaignIndex(campaigns)
    customer = Customer(customer_id="c-1", details={"region": (0, "r-7")})
    order = replace(Order("o-1"), first_event_at=NOW)
    placed = replace(order, facts=replace(order.facts, happened={"order.placed": NOW - timedelta(hours=1)}))
    asking, others = index.sort_out(OrderAsked(placed, customer, SEGMENTATION, NOW))
    assert [campaign.id for _, campaign in index.named(asking)] == ["region-7"]
    assert [(reason, which.bit_count()) for reason, which in others] == [(Reason.NOT_IN_AUDIENCE, 199)]
