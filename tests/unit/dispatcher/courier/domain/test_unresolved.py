"""What is decided about messages that may or may not have arrived."""

import pytest

from services.dispatcher.courier.domain.deliveries import UNKNOWN_OUTCOME, Ending, Retry, UnresolvedDelivery
from services.dispatcher.courier.domain.unresolved import WithoutReceipts, by_receipts, without_receipts

FOUND = {
    "first": UnresolvedDelivery("<first@shop.test>", resent=False),
    "again": UnresolvedDelivery("<a@b>", resent=True),
}


def test_a_receipt_decides_and_silence_decides_nothing() -> None:
    results = by_receipts({"arrived": True, "lost": False, "silent": None})
    assert results.endings == [Ending("arrived", "accepted")]
    assert results.retries == [Retry(send_id="lost", reason=None, seconds=0, tries=0)]
    assert results.unresolved == ["silent"]


@pytest.mark.parametrize(("decision", "held"), [("hold", ["first", "again"]), ("resend", ["again"])])
def test_without_receipts_nothing_is_sent_a_third_time(decision: WithoutReceipts, held: list[str]) -> None:
    results = without_receipts(FOUND, decision)
    assert results.endings == [Ending(send_id, "held", reason=UNKNOWN_OUTCOME) for send_id in held]
    assert results.retries == [
        Retry(send_id=send_id, reason=UNKNOWN_OUTCOME, seconds=0, tries=0) for send_id in FOUND if send_id not in held
    ]
    assert results.unresolved == ()
