"""``customers.shared``: customer ids that turned out to be those of several people."""

from shared.contracts import identity
from shared.contracts.events import Event
from shared.contracts.types import Contract, Identifier, Instant

TOPIC = "customers.shared"

FOUND = "customer.shared"


class SharedId(Contract):
    """An id that more email addresses came under than one person has. It never becomes one person's again.

    Those who ordered under it are told apart by their address, and have an id of their own, ``guest-…``. The ids that
    are known to be shared from the start (``HEARBACK_GUEST_IDS``) are not published.
    """

    customer_id: Identifier
    found_at: Instant


def event(body: SharedId) -> Event:
    """The event that the dispatcher found out that an id is shared; once per id."""
    return Event(
        topic=TOPIC,
        key=body.customer_id,
        event_id=identity.event_id(FOUND, body.customer_id),
        type=FOUND,
        time=body.found_at,
        body=body,
    )
