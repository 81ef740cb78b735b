"""Nobody is asked after they said no, nor at an address that did not take mail, unless they took it back."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from tests.unit.tools.audit.checks.loop import (
    DAY,
    HOUR,
    NOON,
    Damage,
    consistent_loop,
    decision_about,
    found_after,
    only,
    order_event,
)
from tools.audit.checks import consent
from tools.audit.decision_log import DecisionLog
from tools.audit.facts import ChannelState, DatabaseFacts, Preferences, Refusal, TopicFacts
from tools.audit.report import Check

REAL = datetime.fromisoformat("2030-01-01T00:00:00+00:00")
MINUTE = timedelta(minutes=1)
ADDRESS = "ana@example.com"
CHECK = "nobody is asked against their will"
SENT = NOON + HOUR


def told(state: str, at: datetime, *, revision: int = 1, address: str | None = None, **more: datetime) -> Preferences:
    channel = ChannelState(channel="email", state=state, changed_at=at, address=address)
    return Preferences(revision=revision, channels=(channel,), **more)


def check(topics: TopicFacts, database: DatabaseFacts) -> Check:
    return consent.nobody_against_their_will(topics, database, DecisionLog.of(database.decisions))


EARLIER = SENT - DAY
AGAINST_THEIR_WILL: dict[str, Damage] = {
    "unsubscribed, says the topic": lambda t, _d: t.preferences.update(c1=[told("unsubscribed", EARLIER)]),
    "unsubscribed, says the collector": lambda _t, d: d.preferences.update(c1=told("unsubscribed", EARLIER)),
    "unsubscribed, says the dispatcher": lambda _t, d: d.known_preferences.update(c1=told("unsubscribed", EARLIER)),
    "complained": lambda t, _d: t.preferences.update(c1=[told("complained", EARLIER)]),
    "complained, whatever was said since": lambda t, _d: t.preferences.update(
        c1=[told("complained", EARLIER), told("allowed", EARLIER + HOUR, revision=2)]
    ),
    "unsubscribed after resubscribing": lambda t, _d: t.preferences.update(
        c1=[told("allowed", EARLIER - HOUR), told("unsubscribed", EARLIER, revision=2)]
    ),
    "the mailbox unsubscribed under another id": lambda t, _d: t.preferences.update(
        c2=[told("unsubscribed", EARLIER, address=" Ana@Example.com")]
    ),
    "mail to the address had bounced, says a preference": lambda t, _d: t.preferences.update(
        c2=[told("bounced", EARLIER, address=ADDRESS)]
    ),
    "mail to the address had bounced": lambda t, _d: refused(t, "delivery.bounced"),
    "mail to the address had been complained about": lambda t, _d: refused(t, "delivery.complained"),
}


def refused(topics: TopicFacts, event_type: str, address: str = ADDRESS) -> None:
    """An earlier survey to the same address, of another customer."""
    sent = topics.sends[only(topics.sends)]
    topics.sends["earlier"] = replace(
        sent, send_id="earlier", customer_id="c2", sent_at=EARLIER - HOUR, address=address
    )
    topics.refused["earlier"] = [Refusal(type=event_type, at=EARLIER)]


@pytest.mark.parametrize("name", AGAINST_THEIR_WILL)
def test_a_survey_against_somebodys_will_is_found(name: str) -> None:
    topics, database = consistent_loop()
    AGAINST_THEIR_WILL[name](topics, database)
    assert check(topics, database).differences == 1


ALLOWED: dict[str, Damage] = {
    "nothing": lambda _t, _d: None,
    "unsubscribed later": lambda t, _d: t.preferences.update(c1=[told("unsubscribed", SENT + MINUTE)]),
    "resubscribed": lambda t, _d: t.preferences.update(
        c1=[told("allowed", EARLIER + HOUR, revision=2), told("unsubscribed", EARLIER)]
    ),
    "unsubscribed from another channel": lambda t, _d: t.preferences.update(
        c1=[Preferences(revision=1, channels=(ChannelState(channel="sms", state="unsubscribed", changed_at=EARLIER),))]
    ),
    "a bounce at a former address": lambda t, _d: t.preferences.update(
        c1=[told("bounced", EARLIER, address="former@example.com")]
    ),
    "a bounce at an address this one is part of": lambda t, _d: refused(t, "delivery.bounced", "d" + ADDRESS),
    "stopped by the courier": lambda t, d: (
        t.preferences.update(c1=[told("unsubscribed", EARLIER)]),
        d.deliveries.update({only(d.deliveries): "delivery.failed"}),
    ),
    "erased, and asked about a later order": lambda t, _d: t.erased_customers.update(c1=NOON - DAY),
}


@pytest.mark.parametrize("name", ALLOWED)
def test_a_survey_that_was_allowed_is_none(name: str) -> None:
    topics, database = consistent_loop()
    ALLOWED[name](topics, database)
    assert check(topics, database).differences == 0


@pytest.mark.parametrize(("before", "differences"), [(MINUTE, 1), (timedelta(seconds=1), 0), (-MINUTE, 0)])
def test_what_was_still_on_its_way_could_not_be_known(before: timedelta, differences: int) -> None:
    """However fast the loop's clock runs: what counts is when both were published, in real time."""
    topics, database = consistent_loop()
    send = only(topics.sends)
    topics.sends[send] = replace(topics.sends[send], published=REAL)
    topics.preferences["c1"] = [told("unsubscribed", EARLIER, published=REAL - before)]
    database.preferences["c1"] = told("unsubscribed", EARLIER)
    assert check(topics, database).differences == differences


def test_an_old_order_that_goes_on_does_not_bring_an_erased_customer_back() -> None:
    topics, database = consistent_loop()
    topics.erased_customers["c1"] = NOON
    later = order_event("order.delivered", NOON + DAY, offset=2)
    database.decisions.append(replace(decision_about(later, 4), event=("/shop", "again")))
    send = database.sends.pop(only(database.sends))
    topics.sends.clear()
    for about in ("o1", None):
        database.sends = {send.send_id: replace(send, sent_at=NOON + 2 * DAY, order_id=about)}
        assert check(topics, database).differences == 1
    database.decisions.append(
        replace(decision_about(order_event("order.placed", NOON + DAY, order="o2"), 1), event=("/shop", "new"))
    )
    assert check(topics, database).differences == 0


def test_preferences_the_dispatcher_does_not_know_are_found() -> None:
    for damage in (
        lambda _t, d: d.known_preferences.update(c1=told("allowed", EARLIER)),
        lambda _t, d: d.known_preferences.update(c1=told("unsubscribed", EARLIER, revision=2)),
        lambda t, _d: t.preferences.clear(),
    ):
        topics, database = consistent_loop()
        topics.preferences["c1"] = [told("unsubscribed", SENT + DAY)]
        database.known_preferences["c1"] = told("unsubscribed", SENT + DAY)
        assert not consent.preferences_known(topics, database).differences
        assert "preferences are known where surveys are decided" in found_after(damage, topics, database)
