"""Customer ids that several people share: who ordered is then told by the address.

Some are known to be shared (``shared.guests``); any other turns out to be when too many different addresses come
under it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from services.dispatcher.domain.order_events import IncomingEvent
from shared.guests import Guests


@dataclass(frozen=True, slots=True)
class KnownMailboxes:
    """The mailboxes a customer has used (``Customer.mailboxes``), and whether they are known to be several people's."""

    mailboxes: frozenset[str]
    several_people: bool


NONE_KNOWN = KnownMailboxes(frozenset(), several_people=False)


def told_apart(
    events: Sequence[IncomingEvent], known: Mapping[str, KnownMailboxes], guests: Guests, *, most: int
) -> list[IncomingEvent]:
    """The events of a batch, those under a shared id as of the person who ordered.

    ``known`` has the customers there is a row of; more than ``most`` mailboxes are not one person's.
    """
    arriving: dict[str, set[str]] = {}
    for event in events:
        mailboxes = arriving.setdefault(event.customer_id, set())
        if event.mailbox is not None:
            mailboxes.add(event.mailbox)
    # Shared id to whether its row has to be told so.
    shared: dict[str, bool] = {}
    for name, mailboxes in arriving.items():
        before = known.get(name, NONE_KNOWN)
        if guests.shares(name):
            shared[name] = name in known and not before.several_people
        elif before.several_people or len(mailboxes | before.mailboxes) > most:
            shared[name] = not before.several_people
    if not shared:
        return list(events)
    return [
        _of_person(event, guests, found_out=shared[event.customer_id]) if event.customer_id in shared else event
        for event in events
    ]


def _of_person(event: IncomingEvent, guests: Guests, *, found_out: bool) -> IncomingEvent:
    customer, order_id = event.body.customer, event.order_id
    person = customer.model_copy(update={"id": guests.person(customer, order_id)})
    return replace(
        event,
        body=event.body.model_copy(update={"customer": person}),
        customer_id=person.id,
        guest_of_order=guests.of_order(order_id),
        given_id=customer.id,
        shared_id=customer.id if found_out else None,
    )
