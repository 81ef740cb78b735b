"""The state shown on the page of an unsubscribe link."""

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from services.collector.domain.preferences import is_unsubscribed
from services.collector.domain.surveys import Survey, known
from services.collector.repository import pending_preferences, preferences, surveys


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """Whether the customer of a send gets surveys through its channel. ``survey`` is None while the send is unknown;
    ``pending`` is then whether a change is waiting for it."""

    survey: Survey | None
    unsubscribed: bool
    pending: bool


async def read_subscription(connection: AsyncConnection, send_id: str) -> Subscription:
    """The current state for the customer of a send, even if its survey is closed. Raises ErasedSurvey."""
    # In this order, so that a change applied in between is found with its survey.
    pending = await pending_preferences.exists(connection, send_id)
    survey = await surveys.read(connection, send_id)
    if survey is None:
        return Subscription(survey=None, unsubscribed=False, pending=pending)
    send = known(survey).send
    stored = await preferences.read(connection, [send.customer_id or ""])
    unsubscribed = any(is_unsubscribed(customers.channels, send.channel) for customers in stored.values())
    return Subscription(survey=survey, unsubscribed=unsubscribed, pending=pending)
