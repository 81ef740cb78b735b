"""A wish holds for every channel surveys go through, and takes back nothing but itself."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.collector.domain.preferences import (
    SURVEY_CHANNELS,
    Wish,
    channels_after,
    is_unsubscribed,
    wished_since,
)
from shared.contracts.preferences import ChannelPreference, ChannelState

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def email(state: ChannelState) -> list[ChannelPreference]:
    return [ChannelPreference(channel="email", state=state, address="a@example.com", changed_at=NOW)]


def after(channels: list[ChannelPreference], wish: Wish) -> list[ChannelPreference] | None:
    return channels_after(channels, wish, "a@example.com", "email", NOW + timedelta(days=1))


def test_unsubscribing_covers_every_channel_surveys_go_through() -> None:
    channels = after([], "unsubscribe")
    assert channels is not None
    assert {preference.channel: preference.state for preference in channels} == dict.fromkeys(
        SURVEY_CHANNELS, "unsubscribed"
    )
    assert [preference.address for preference in channels if preference.channel == "email"] == ["a@example.com"]


def test_doing_it_twice_changes_nothing() -> None:
    channels = after([], "unsubscribe")
    assert channels is not None
    assert after(channels, "unsubscribe") is None
    assert after([], "resubscribe") is None


@pytest.mark.parametrize(("before", "state"), [("bounced", "unsubscribed"), ("complained", "complained")])
def test_unsubscribing_covers_a_bounced_address_and_leaves_a_complaint(
    before: ChannelState, state: ChannelState
) -> None:
    channels = after(email(before), "unsubscribe")
    assert channels is not None
    assert next(preference for preference in channels if preference.channel == "email").state == state


@pytest.mark.parametrize("state", ["bounced", "complained"])
def test_resubscribing_does_not_mend_an_address(state: ChannelState) -> None:
    assert after(email(state), "resubscribe") is None


@pytest.mark.parametrize(
    ("state", "is_a_wish"), [("allowed", True), ("unsubscribed", True), ("bounced", False), ("complained", False)]
)
def test_a_bounce_or_a_complaint_is_no_later_wish(state: ChannelState, is_a_wish: bool) -> None:
    assert wished_since(email(state), NOW - timedelta(seconds=1)) is is_a_wish
    assert not wished_since(email(state), NOW)
    assert not wished_since([], NOW)


@pytest.mark.parametrize(
    ("state", "unsubscribed"), [("allowed", False), ("bounced", False), ("unsubscribed", True), ("complained", True)]
)
def test_whether_somebody_is_unsubscribed_is_a_matter_of_one_channel(state: ChannelState, unsubscribed: bool) -> None:
    assert is_unsubscribed(email(state), "email") is unsubscribed
    assert not is_unsubscribed(email(state), "sms")


@given(st.lists(st.sampled_from(["unsubscribe", "resubscribe"]), min_size=1, max_size=8))
def test_the_last_wish_stands(wishes: list[Wish]) -> None:
    channels: list[ChannelPreference] = []
    for wish in wishes:
        channels = after(channels, wish) or channels
    assert is_unsubscribed(channels, "email") == (wishes[-1] == "unsubscribe")
