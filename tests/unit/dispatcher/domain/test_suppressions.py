"""What a preference says about a customer and a mailbox, and what of it forbids writing."""

from datetime import UTC, datetime
from typing import Any

from services.dispatcher.domain.suppressions import by_channel, digests_of, said
from shared.contracts.preferences import ChannelPreference, Preference
from shared.digests import CustomerDigests

DIGESTS = CustomerDigests("x" * 32)
NOW = datetime(2026, 3, 1, tzinfo=UTC)
CUSTOMER, MAILBOX = digests_of("c-1", "ana@example.com", DIGESTS)


def about(state: str, email: str | None = None, **fields: Any) -> set[str]:
    entry = ChannelPreference.model_validate({"channel": "email", "state": state, "changed_at": NOW, **fields})
    body = Preference(customer_id="c-1", revision=1, channels=[entry], occurred_at=NOW)
    return {suppression.digest for suppression in said(body, email=email, digests=DIGESTS)}


def test_an_opt_out_is_about_the_person_and_their_mailbox_and_a_bounce_about_the_mailbox() -> None:
    assert about("unsubscribed", address="ANA@example.com") == {CUSTOMER, MAILBOX}
    assert about("unsubscribed", "ana@example.com") == {CUSTOMER, MAILBOX}
    assert about("unsubscribed") == {CUSTOMER}
    assert about("complained", address_digest=MAILBOX) == {CUSTOMER, MAILBOX}
    assert about("bounced", address="ana@example.com") == about("bounced", address_digest=MAILBOX) == {MAILBOX}
    assert about("bounced", "ana@example.com") == set()


def test_an_opt_out_outranks_a_bounce() -> None:
    listed = {CUSTOMER: {"email": "bounced"}, MAILBOX: {"email": "complained", "sms": "unsubscribed"}}
    assert by_channel(listed, (CUSTOMER, MAILBOX)) == {"email": "complained", "sms": "unsubscribed"}  # type: ignore[arg-type]
    assert by_channel(listed, (CUSTOMER,)) == {"email": "bounced"}  # type: ignore[arg-type]
    assert by_channel(listed, ("other",)) == {}  # type: ignore[arg-type]
