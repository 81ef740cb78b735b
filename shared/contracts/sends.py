"""``surveys.sends``: a survey the dispatcher decided to send; the courier delivers it, the collector awaits answers."""

from typing import Annotated, Literal

from pydantic import Field

from shared.contracts import identity
from shared.contracts.events import Event
from shared.contracts.types import Contract, Identifier, Instant, Label, Segments, ShortText, Text

TOPIC = "surveys.sends"

SENT = "survey.sent"
REMINDED = "survey.reminded"

Channel = Literal["email", "sms", "webhook", "widget", "api", "link", "import"]


class Recipient(Contract):
    """Whom to send the survey to; ``address`` is an email address for the channel ``email``."""

    address: ShortText
    name: ShortText | None = None
    timezone: Label | None = None


class SurveySent(Contract):
    """``due_at`` is when the milestone came due, ``sent_at`` when the send was decided, ``expires_at`` when the
    link closes. ``order_began_at`` is the time of the order's first event, by which it is known whether the order is
    from before its customer's erasure; a survey about no order does not have it."""

    send_id: Identifier
    campaign: Identifier
    campaign_version: Annotated[int, Field(ge=1)]
    channel: Channel
    locale: Label
    customer_id: Identifier
    recipient: Recipient
    order_id: Identifier | None = None
    product: ShortText | None = None
    segments: Segments
    answer_url: Text
    unsubscribe_url: Text
    due_at: Instant
    sent_at: Instant
    expires_at: Instant
    order_began_at: Instant | None = None


def event(survey: SurveySent, *, traceparent: str | None = None) -> Event:
    """The event that the dispatcher decided to send a survey."""
    return Event(
        topic=TOPIC,
        key=survey.customer_id,
        event_id=identity.event_id(SENT, survey.send_id),
        type=SENT,
        time=survey.sent_at,
        body=survey,
        traceparent=traceparent,
    )
