"""``surveys.requests``: requests to survey a customer, such as after a case was resolved."""

from shared.contracts import identity
from shared.contracts.events import Event
from shared.contracts.types import Contract, Identifier, Instant, Label, ShortText

TOPIC = "surveys.requests"

REQUESTED = "survey.requested"


class SurveyRequested(Contract):
    """The dispatcher applies the same policy as for any survey; ``not_before`` is the earliest it may be due."""

    request_id: Identifier
    customer_id: Identifier
    campaign: Identifier
    requested_by: Label
    requested_at: Instant
    not_before: Instant
    order_id: Identifier | None = None
    reason: ShortText | None = None


def event(body: SurveyRequested, *, traceparent: str | None = None) -> Event:
    """The event that requests a survey; duplicates of a request are ignored."""
    return Event(
        topic=TOPIC,
        key=body.customer_id,
        event_id=identity.event_id(REQUESTED, body.request_id),
        type=REQUESTED,
        time=body.requested_at,
        body=body,
        traceparent=traceparent,
    )
