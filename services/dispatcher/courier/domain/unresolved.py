"""Decisions on messages that may or may not have arrived."""

from collections.abc import Mapping
from typing import Literal

from services.dispatcher.courier.domain.deliveries import UNKNOWN_OUTCOME, Ending, Results, Retry, UnresolvedDelivery

WithoutReceipts = Literal["hold", "resend"]


def by_receipts(receipts: Mapping[str, bool | None]) -> Results:
    """Decides by the receipt of each send id: accepted, not accepted (resend it), or None (ask again later)."""
    return Results(
        endings=[Ending(send_id, "accepted") for send_id, accepted in receipts.items() if accepted],
        retries=[
            Retry(send_id=send_id, reason=None, seconds=0, tries=0)
            for send_id, accepted in receipts.items()
            if accepted is False
        ],
        unresolved=[send_id for send_id, accepted in receipts.items() if accepted is None],
    )


def without_receipts(found: Mapping[str, UnresolvedDelivery], decision: WithoutReceipts) -> Results:
    """Decides by the operator's setting, since there are no receipts.

    A message is resent at most once: if each attempt broke the connection, it would flood the customer's mailbox.
    """
    held = {send_id for send_id, delivery in found.items() if decision == "hold" or delivery.resent}
    return Results(
        endings=[Ending(send_id, "held", reason=UNKNOWN_OUTCOME) for send_id in found if send_id in held],
        retries=[
            Retry(send_id=send_id, reason=UNKNOWN_OUTCOME, seconds=0, tries=0)
            for send_id in found
            if send_id not in held
        ],
    )
