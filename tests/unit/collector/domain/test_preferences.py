"""Unsubscribing holds for every channel surveys go through, and resubscribing undoes nothing else."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.collector.domain.preferences import (
    SURVEY_CHANNELS,
    PreferenceChange,
    Preferences,
    RequestedChange,
    SendRecipient,
    changed_by_customer_since,
    channels_after,
    is_unsubscribed,
    preferences_after,
)
from shared.contracts.preferences import ChannelPreference, ChannelState

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def email(state: ChannelState) -> list[ChannelPreference]:
    return [ChannelPreference(channel="email", state=state, address="a@example.com", changed_at=NOW)]


def after(channels: list[ChannelPreference], change: PreferenceChange) -> list[ChannelPreference] | None:
    return channels_after(channels, change, channel="email", address="a@example.com", now=NOW + timedelta(days=1))


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
    ("state", "is_a_change"), [("allowed", True), ("unsubscribed", True), ("bounced", False), ("complained", False)]
)
def test_a_bounce_or_a_complaint_is_no_later_change(state: ChannelState, is_a_change: bool) -> None:
    assert changed_by_customer_since(email(state), NOW - timedelta(seconds=1)) is is_a_change
    assert not changed_by_customer_since(email(state), NOW)
    assert not changed_by_customer_since([], NOW)


@pytest.mark.parametrize(
    ("state", "unsubscribed"), [("allowed", False), ("bounced", False), ("unsubscribed", True), ("complained", True)]
)
def test_whether_somebody_is_unsubscribed_is_a_matter_of_one_channel(state: ChannelState, unsubscribed: bool) -> None:
    assert is_unsubscribed(email(state), "email") is unsubscribed
    assert not is_unsubscribed(email(state), "sms")


@given(st.lists(st.sampled_from(["unsubscribe", "resubscribe"]), min_size=1, max_size=8))
def test_the_last_change_stands(changes: list[PreferenceChange]) -> None:
    channels: list[ChannelPreference] = []
    for change in changes:
        channels = after(channels, change) or channels
    assert is_unsubscribed(channels, "email") == (changes[-1] == "unsubscribe")


@pytest.mark.parametrize(
    ("requested_at", "was_pending", "changes"),
    [
        (NOW, False, True),
        (NOW, True, True),
        (NOW - timedelta(hours=1), False, True),
        (NOW - timedelta(hours=1), True, False),
    ],
)
def test_a_pending_change_gives_way_to_one_the_customer_made_since(
    requested_at: datetime, was_pending: bool, changes: bool
) -> None:
    before = Preferences(3, email("allowed"))
    recipient = SendRecipient(customer_id="c-42", channel="email", address="a@example.com")
    changed = preferences_after(before, RequestedChange(recipient, "unsubscribe", requested_at, was_pending))
    assert (changed is not None) is changes
    if changed is not None:
        assert changed.revision == 4
        assert {preference.changed_at for preference in changed.channels} == {requested_at}


def test_what_changes_nothing_is_no_new_revision() -> None:
    recipient = SendRecipient(customer_id="c-42", channel="email", address="a@example.com")
    assert preferences_after(Preferences(0, []), RequestedChange(recipient, "resubscribe", NOW)) is None
