"""The contact policy: asked once, the most important first, later rather than never while it makes sense."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.dispatcher.domain.campaigns import Campaign, are_pair
from services.dispatcher.domain.customers import Customer
from services.dispatcher.domain.orders import Order
from services.dispatcher.domain.policy.policy import PastSend, Policy, Situation, Verdict
from services.dispatcher.domain.segments import Segmentation
from services.dispatcher.domain.timers import Timer

NOW = datetime(2026, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)
QUIET = 90 * DAY
ANA = Customer("c-1", details={"email": (0, "ana@example.com"), "tier": (0, "gold")})


def campaign(name: str, priority: int, **fields: object) -> Campaign:
    return Campaign.model_validate({"id": name, "priority": priority, "trigger": {"after": "order.placed"}, **fields})


PRODUCT = campaign("product", 1, pair_with="service")
SERVICE = campaign("service", 2, pair_with="product")
OTHER = campaign("other", 3)
POLICY = Policy({each.id: each for each in (PRODUCT, SERVICE, OTHER)}, QUIET, Segmentation())


def with_product(**fields: object) -> Policy:
    return Policy({"product": campaign("product", 1, **fields), "other": OTHER}, QUIET, Segmentation())


def timer(name: str, order_id: str | None = "o-1", due: datetime = NOW, milestone: datetime | None = None) -> Timer:
    return Timer(f"{name} {order_id} {due}", name, "c-1", order_id, "milestone", 0, milestone or due, due)


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
    known = {} if order is None else {order.order_id: order}
    situation = Situation(customer, due, upcoming, known, history, last_ordered_at)
    return {verdict.timer.campaign: verdict for verdict in policy.decide(situation, now)}


def said(verdicts: dict[str, Verdict]) -> dict[str, tuple[str, str]]:
    return {name: (verdict.outcome, verdict.reason) for name, verdict in verdicts.items()}


def test_nothing_speaks_against_it() -> None:
    verdict = decide(timer("service"))["service"]
    assert (verdict.outcome, verdict.reason) == ("sent", "due")
    assert verdict.segments == {"tier": "gold", "survey_channel": "email", "campaign": "service"}


def test_the_quiet_period_ends_to_the_microsecond() -> None:
    asked = PastSend("other", None, NOW - QUIET)
    assert decide(timer("service"), history=[asked])["service"].outcome == "sent"
    recent = replace(asked, sent_at=asked.sent_at + timedelta(microseconds=1))
    verdict = decide(timer("service"), history=[recent])["service"]
    assert (verdict.outcome, verdict.reason, verdict.because_of) == ("deferred", "quiet_period", "other")
    assert verdict.until == NOW + timedelta(microseconds=1)


def test_a_survey_of_the_future_by_another_clock_counts_too() -> None:
    assert decide(timer("service"), history=[PastSend("other", None, NOW + DAY)])["service"].outcome == "skipped"


def test_deferred_beyond_its_sense_is_skipped() -> None:
    verdict = decide(timer("service"), history=[PastSend("other", None, NOW - 75 * DAY)])["service"]
    assert (verdict.outcome, verdict.reason, verdict.until) == ("skipped", "expired", NOW + 15 * DAY)


def test_deferred_to_the_last_moment_of_its_sense_it_waits() -> None:
    last = PastSend("other", None, NOW - QUIET + 14 * DAY)
    assert said(decide(timer("service"), history=[last])) == {"service": ("deferred", "quiet_period")}
    beyond = replace(last, sent_at=last.sent_at + timedelta(microseconds=1))
    assert said(decide(timer("service"), history=[beyond])) == {"service": ("skipped", "expired")}


def test_a_recurring_campaign_asks_only_who_ordered_lately() -> None:
    yearly = Campaign.model_validate({"id": "yearly", "every": "365 days", "active_within": "100 days"})
    policy = Policy({"yearly": yearly}, QUIET, Segmentation())
    due = replace(timer("yearly", None), cause="recurrence")
    for ago, outcome in ((100 * DAY, "sent"), (101 * DAY, "skipped"), (None, "skipped")):
        ordered = None if ago is None else NOW - ago
        assert decide(due, policy=policy, last_ordered_at=ordered)["yearly"].outcome == outcome


def test_the_pair_about_one_order_is_one_asking_and_about_two_it_is_not() -> None:
    same, another = PastSend("service", "o-1", NOW - DAY), PastSend("service", "o-2", NOW - DAY)
    assert decide(timer("product"), history=[same])["product"].outcome == "sent"
    assert decide(timer("product"), history=[another])["product"].outcome == "skipped"
    assert decide(timer("product", None), history=[replace(same, order_id=None)])["product"].outcome == "skipped"


def test_a_pair_declared_by_only_one_of_them_does_not_hold() -> None:
    lonely = Policy({"product": PRODUCT, "service": campaign("service", 2)}, QUIET, Segmentation())
    assert (
        decide(timer("product"), history=[PastSend("service", "o-1", NOW)], policy=lonely)["product"].outcome
        == "skipped"
    )


def test_of_two_due_the_more_important_is_sent() -> None:
    assert said(decide(timer("other"), timer("service", "o-2"))) == {
        "service": ("sent", "due"),
        "other": ("skipped", "expired"),
    }


def test_the_less_important_stands_aside_for_what_comes_due_soon() -> None:
    soon = timer("product", "o-2", NOW + 5 * DAY)
    verdict = decide(timer("other"), upcoming=[soon])["other"]
    assert (verdict.outcome, verdict.reason, verdict.until) == ("deferred", "stands_aside", soon.due_at)
    assert verdict.because_of == "product"
    late = timer("product", "o-2", NOW + 8 * DAY)
    assert decide(timer("other"), upcoming=[late])["other"].outcome == "sent"
    assert decide(timer("product"), upcoming=[timer("other", "o-2", NOW + DAY)])["product"].outcome == "sent"
    equals = Policy({name: campaign(name, 3) for name in ("other", "another")}, QUIET, Segmentation())
    another = timer("another", "o-2", NOW + DAY)
    assert decide(timer("other"), upcoming=[another], policy=equals)["other"].outcome == "sent"
    for retired in (Policy({"other": OTHER}, QUIET, Segmentation()), with_product(active=False)):
        assert decide(timer("other"), upcoming=[soon], policy=retired)["other"].outcome == "sent"


def test_nobody_stands_aside_for_a_campaign_whose_own_quiet_period_is_over_by_then() -> None:
    soon = timer("product", "o-2", NOW + 5 * DAY)
    for quiet, outcome in (("5 days", "sent"), ("6 days", "deferred")):
        verdicts = decide(timer("other"), upcoming=[soon], policy=with_product(quiet_period=quiet))
        assert verdicts["other"].outcome == outcome


def test_nobody_stands_aside_for_their_own_pair_nor_for_who_could_not_be_sent_anyway() -> None:
    mate = timer("product", "o-1", NOW + 5 * DAY)
    assert decide(timer("service"), upcoming=[mate])["service"].outcome == "sent"
    # The product survey will be within the quiet period of one sent before, so the service survey need not wait.
    brief = Policy({"product": PRODUCT, "other": campaign("other", 3, quiet_period="1 day")}, QUIET, Segmentation())
    blocked = [PastSend("other", None, NOW - 5 * DAY)]
    verdicts = decide(timer("other"), upcoming=[timer("product", "o-2", NOW + 5 * DAY)], history=blocked, policy=brief)
    assert verdicts["other"].outcome == "sent"


def test_a_campaign_may_have_a_quiet_period_of_its_own() -> None:
    policy = Policy({"always": campaign("always", 1, quiet_period="0 days")}, QUIET, Segmentation())
    assert decide(timer("always"), history=[PastSend("always", "o-2", NOW)], policy=policy)["always"].outcome == "sent"


def test_what_can_never_be_sent_is_skipped_with_its_reason() -> None:
    stopped = Order("o-1", happened={"order.refunded": NOW, "order.returned": NOW - DAY})
    assert said(decide(timer("service"), order=stopped)) == {"service": ("skipped", "order_returned")}
    assert said(decide(timer("service"), customer=Customer("c-1"))) == {"service": ("skipped", "no_address")}
    assert said(decide(timer("gone"))) == {"gone": ("skipped", "campaign_inactive")}
    assert said(decide(timer("service", milestone=NOW - 15 * DAY))) == {"service": ("skipped", "expired")}
    for fields in ({"active": False}, {"audience": {"tier": "silver"}}, {"audience": {"attributes.vip": ["yes"]}}):
        policy = Policy({"service": campaign("service", 1, **fields)}, QUIET, Segmentation())
        assert decide(timer("service"), policy=policy)["service"].outcome == "skipped"
    assert (
        decide(
            timer("service"),
            policy=Policy({"service": campaign("service", 1, audience={"tier": "gold"})}, QUIET, Segmentation()),
        )["service"].outcome
        == "sent"
    )


names = st.sampled_from(["product", "service", "other"])
order_ids = st.sampled_from(["o-1", "o-2", "o-3"])


@given(
    st.dictionaries(st.tuples(names, order_ids), st.integers(0, 200), max_size=9),
    st.sets(st.integers(0, 320), max_size=60),
    st.integers(1, 100),
)
def test_whatever_comes_due_in_whatever_steps_nobody_is_asked_twice_in_the_quiet_period(
    due_days: dict[tuple[str, str], int], looks: set[int], longest_pause: int
) -> None:
    """A customer's timers run against a clock that is looked at in irregular steps, as after an outage."""
    pending = {key: timer(*key, NOW + day * DAY) for key, day in due_days.items()}
    history: list[PastSend] = []
    for day in sorted({*looks, *range(0, 600, longest_pause)}):
        now = NOW + day * DAY
        due = [each for each in pending.values() if each.due_at <= now]
        upcoming = [each for each in pending.values() if each.due_at > now]
        for verdict in POLICY.decide(Situation(ANA, due, upcoming, {}, history), now):
            key = (verdict.timer.campaign, str(verdict.timer.order_id))
            if verdict.outcome == "deferred":
                assert verdict.until is not None
                assert now < verdict.until <= verdict.timer.milestone_at + POLICY.campaigns[key[0]].valid_for
                pending[key] = replace(verdict.timer, due_at=verdict.until)
                continue
            del pending[key]
            if verdict.outcome == "sent":
                history.append(PastSend(*key, now))
    assert not pending, "every timer comes to an end"
    for index, one in enumerate(history):
        for other in history[index + 1 :]:
            pair = are_pair(POLICY.campaigns[one.campaign], POLICY.campaigns[other.campaign])
            apart = abs(other.sent_at - one.sent_at)
            assert apart >= QUIET or (pair and one.order_id == other.order_id)
    if due_days and longest_pause <= 14:
        assert history, "and somebody was asked"
