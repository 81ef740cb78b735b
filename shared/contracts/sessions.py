"""``staff.sessions``: sessions of staff that ended before their time, for every service that takes the same cookie."""

from shared.contracts import identity
from shared.contracts.events import Event
from shared.contracts.types import Contract, Identifier, Instant

TOPIC = "staff.sessions"

ENDED = "session.ended"


class SessionEnded(Contract):
    """Somebody signed out. The id is random and opens nothing: a cookie is signed, too."""

    session_id: Identifier
    ended_at: Instant
    expires_at: Instant
    """When its cookie would have expired; after that, nobody has to remember it."""


def event(body: SessionEnded) -> Event:
    return Event(
        topic=TOPIC,
        key=body.session_id,
        event_id=identity.event_id(ENDED, body.session_id),
        type=ENDED,
        time=body.ended_at,
        body=body,
    )
