"""Why a queued survey is no longer sent."""

from dataclasses import replace
from datetime import timedelta

import pytest

from services.dispatcher.courier.domain.deliveries import Ending, obstacle
from services.dispatcher.domain.customers import Customer, fold
from shared.contracts import orders
from shared.contracts.orders import OrderEvent
from shared.contracts.preferences import ChannelPreference, ChannelState
from tests.unit.dispatcher.courier.channels.email.kit import NOW, survey

EXPIRES = survey().expires_at


def customer(state: ChannelState) -> Customer:
    return Customer(
        customer_id="c-1", channels={"email": ChannelPreference(channel="email", state=state, changed_at=NOW)}
    )


def test_a_survey_is_sent_until_its_link_closes() -> None:
    assert obstacle(survey(), None, {}, stopped=None, channel="email", now=EXPIRES - timedelta(seconds=1)) is None
    assert obstacle(survey(), None, {}, stopped=None, channel="email", now=EXPIRES) == Ending(
        survey().send_id, "failed", reason="expired"
    )


def test_a_survey_of_another_channel_ends_as_unsupported_even_when_expired() -> None:
    ending = obstacle(survey(channel="sms"), None, {}, stopped=None, channel="email", now=EXPIRES)
    assert ending == Ending(survey().send_id, "failed", reason="channel_unsupported")


@pytest.mark.parametrize("state", ["unsubscribed", "complained"])
def test_what_the_customer_has_decided_since_goes_first(state: ChannelState) -> None:
    ending = obstacle(survey(channel="email"), customer(state), {}, stopped=None, channel="email", now=EXPIRES)
    assert ending == Ending(survey().send_id, "failed", reason=state)


def test_an_erasure_counts_only_for_what_was_decided_before_it() -> None:
    ordered = OrderEvent(order_id="1", occurred_at=NOW, customer=orders.Customer(id="c-1", email="ana@example.com"))
    known = fold(customer("allowed"), ordered, NOW)
    erased_since = replace(known, erased_at=NOW + timedelta(minutes=1))
    ending = obstacle(survey(), erased_since, {}, stopped=None, channel="email", now=NOW)
    assert ending == Ending(survey().send_id, "failed", reason="erased")
    erased_long_before = replace(known, erased_at=NOW - timedelta(days=1))
    assert obstacle(survey(), erased_long_before, {}, stopped=None, channel="email", now=NOW) is None


def test_an_address_that_is_no_longer_known_does_not_matter() -> None:
    """The survey carries the one it was decided for."""
    assert obstacle(survey(), customer("allowed"), {}, stopped=None, channel="email", now=NOW) is None


def test_an_order_that_was_stopped_since_is_not_asked_about() -> None:
    ending = obstacle(survey(), customer("allowed"), {}, stopped="order_cancelled", channel="email", now=NOW)
    assert ending == Ending(survey().send_id, "failed", reason="order_cancelled")
