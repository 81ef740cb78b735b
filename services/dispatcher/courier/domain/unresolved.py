"""What is decided about messages that may or may not have arrived."""

from collections.abc import Mapping
from typing import Literal

from services.dispatcher.courier.domain.deliveries import UNKNOWN_OUTCOME, Ending, Results, Retry, UnresolvedDelivery

WithoutReceipts = Literal["hold", "resend"]


def by_receipts(receipts: Mapping[str, bool | None]) -> Results:
    """By what receipts say of each send id: accepted, not accepted (send it again), or None (ask again later)."""
    return Results(
        endings=[Ending(send_id, "accepted") for send_id, accepted in receipts.items() if accepted],
        retries=[Retry(send_id, None, 0, 0) for send_id, accepted in receipts.items() if accepted is False],
        unresolved=[send_id for send_id, accepted in receipts.items() if accepted is None],
    )


def without_receipts(found: Mapping[str, UnresolvedDelivery], decision: WithoutReceipts) -> Results:
    """By the operator's decision, since there is nobody to ask.

    A message is resent at most once: whatever breaks the connection after each one would fill a customer's mailbox.
    """
    held = {send_id for send_id, delivery in found.items() if decision == "hold" or delivery.resent}
    return Results(
        endings=[Ending(send_id, "held", UNKNOWN_OUTCOME) for send_id in found if send_id in held],
        retries=[Retry(send_id, UNKNOWN_OUTCOME, 0, 0) for send_id in found if send_id not in held],
    )
