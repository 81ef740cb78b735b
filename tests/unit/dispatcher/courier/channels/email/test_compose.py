"""A survey becomes an email, or ends because it cannot."""

import pytest

from services.dispatcher.courier.channels.email.compose import Composer
from services.dispatcher.courier.domain.deliveries import Ending, QueuedDelivery
from shared.contracts.sends import Recipient
from shared.mail.addresses import mailbox
from tests.unit.dispatcher.courier.channels.email.kit import NOW, SENDER, campaign, survey


def test_it_goes_to_the_survey_s_address_in_the_brand_s_name_unless_the_sender_has_one() -> None:
    delivery = QueuedDelivery(survey(), "<1@shop.test>", 0)
    for name, shown in (("", b"Fjord & Fell"), ("Team Fjord", b"Team Fjord")):
        email = Composer(SENDER, name=name, reply_to=mailbox("help@shop.test")).compose(delivery, campaign(), NOW)
        assert not isinstance(email, Ending)
        assert (email.sender, email.recipient) == ("surveys@shop.test", "ana@example.com")
        assert email.content.startswith(b"From: " + shown + b" <surveys@shop.test>\r\n")
        assert b"\r\nReply-To: help@shop.test\r\n" in email.content
        assert b"\r\nMessage-ID: <1@shop.test>\r\n" in email.content


@pytest.mark.parametrize(
    ("changes", "state", "reason"),
    [
        ({"recipient": Recipient(address="nobody")}, "bounced", "invalid_address"),
        ({"recipient": Recipient(address="ana@example.com\r\nBcc: all@example.com")}, "bounced", "invalid_address"),
        ({"answer_url": "javascript:alert(1)"}, "failed", "bad_link"),
        ({"unsubscribe_url": "https://answers.test/u\r\nBcc: all@example.com"}, "failed", "bad_link"),
    ],
)
def test_what_cannot_be_sent_ends_with_its_reason(changes: dict[str, object], state: str, reason: str) -> None:
    delivery = QueuedDelivery(survey(**changes), "<1@shop.test>", 0)  # type: ignore[arg-type]  # changes are any field
    ending = Composer(SENDER, name="", reply_to=None).compose(delivery, campaign(), NOW)
    assert isinstance(ending, Ending)
    assert (ending.state, ending.reason) == (state, reason)
