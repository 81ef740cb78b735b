"""A customer with an address and a few campaigns, for the tests of the contact policy."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from services.dispatcher.domain.campaigns import Campaign
from services.dispatcher.domain.customers import Customer
from services.dispatcher.domain.orders import Order
from services.dispatcher.domain.policy.engine import Policy
from services.dispatcher.domain.policy.situation import DueSurvey, PastSend, Situation
from services.dispatcher.domain.policy.verdict import Verdict
from services.dispatcher.domain.segments import Segmentation
from services.dispatcher.domain.timers import Timer

NOW = datetime(2026, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)
MOMENT = timedelta(microseconds=1)
QUIET = 90 * DAY
ANA = Customer(customer_id="c-1", details={"email": (0, "ana@example.com"), "tier": (0, "gold")})


def campaign(name: str, priority: int, **fields: object) -> Campaign:
    return Campaign.model_validate({"id": name, "priority": priority, "trigger": {"after": "order.placed"}, **fields})


def policy_of(*campaigns: Campaign) -> Policy:
    return Policy({each.id: each for each in campaigns}, QUIET, Segmentation())


PRODUCT = campaign("product", 1, pair_with="service")
SERVICE = campaign("service", 2, pair_with="product")
OTHER = campaign("other", 3)
POLICY = policy_of(PRODUCT, SERVICE, OTHER)


def with_product(**fields: object) -> Policy:
    return policy_of(campaign("product", 1, **fields), OTHER)


def timer(name: str, order_id: str | None = "o-1", check: datetime = NOW, due: datetime | None = None) -> Timer:
    """``due`` is ``check`` unless given."""
    return Timer(
        timer_id=f"{name} {order_id} {check}",
        campaign=name,
        customer_id="c-1",
        order_id=order_id,
        cause="milestone",
        occurrence=0,
        due_at=due or check,
        check_at=check,
    )


def due_survey(which: Campaign = SERVICE, **fields: Any) -> DueSurvey:
    """A survey that nothing speaks against; ``fields`` are what is otherwise."""
    values: dict[str, Any] = {
        "timer": timer(which.id),
        "campaign": which,
        "customer": ANA,
        "order": None,
        "segments": {"tier": "gold"},
        "history": (),
        "upcoming": (),
        "last_ordered_at": None,
        "suppressed": {},
        "campaigns": {**POLICY.campaigns, which.id: which},
        "default_quiet_period": QUIET,
        "now": NOW,
        **fields,
    }
    return DueSurvey(**values)


def decide(
    *due: Timer,
    upcoming: Sequence[Timer] = (),
    history: Sequence[PastSend] = (),
    policy: Policy = POLICY,
    customer: Customer = ANA,
    now: datetime = NOW,
    order: Order | None = None,
    last_ordered_at: datetime | None = None,
) -> dict[str, Verdict]:
    """The verdict of each campaign that has something due."""
    known = {} if order is None else {order.order_id: order}
    situation = Situation(
        customer=customer, due=due, upcoming=upcoming, orders=known, history=history, last_ordered_at=last_ordered_at
    )
    return {verdict.timer.campaign: verdict for verdict in policy.decide(situation, now)}


def said(verdicts: dict[str, Verdict]) -> dict[str, tuple[str, str]]:
    return {name: (verdict.outcome, verdict.reason) for name, verdict in verdicts.items()}
