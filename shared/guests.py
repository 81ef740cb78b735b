"""Customer ids that are no one's: what shops send for orders of people without an account, such as ``0``."""

from collections.abc import Iterable

from shared.contracts.orders import Customer, OrderEvent
from shared.digests import CustomerDigests

PREFIX = "guest-"
"""Of the ids that tell guests apart."""

_EMPTY_LIKE = "0-_.{} "


class Guests:
    """Tells people apart who share a customer id: by their address, or else by their order.

    ``ids`` are those known to be shared. An id of zeros, dashes and the like, such as ``0`` or ``-``, is one of
    them, too. Case and surrounding blanks do not matter.
    """

    def __init__(self, ids: Iterable[str], digests: CustomerDigests) -> None:
        self._ids = {written for name in ids if (written := _written(name))}
        self._digests = digests

    def shares(self, customer_id: str) -> bool:
        """Whether the id is known to be that of many people."""
        written = _written(customer_id)
        return written in self._ids or not written.strip(_EMPTY_LIKE)

    def person(self, customer: Customer, order_id: str) -> str:
        """The id of the person who placed an order under a shared id: the same for every order of one mailbox.

        It does not contain the address. Without one, the person is known by this order only.
        """
        return self.ids_of(order_id, email=customer.email, phone=customer.phone)[0]

    def ids_of(self, order_id: str, *, email: str | None, phone: str | None) -> list[str]:
        """Every id that stands for whoever placed an order: by each of their addresses, and by the order alone.

        The first is ``person``. Whoever is erased by any of them, the order is theirs.
        """
        return self.told_by(order_id, email=email, phone=phone, digests={})[1]

    def told_by(
        self, order_id: str, *, email: str | None, phone: str | None, digests: dict[str, str]
    ) -> tuple[str | None, list[str]]:
        """``mailbox`` of the email address, if there is one, and ``ids_of``.

        ``digests`` remembers those of addresses for the next call, because many orders have the same ones.
        """
        of_email = self._digest(email, digests) if email else None
        ids = [PREFIX + self._digest(address, digests)[:32] for address in (email, phone) if address]
        return of_email and of_email[:16], [*ids, self.of_order(order_id)]

    def told_apart(self, event: OrderEvent) -> OrderEvent:
        """The event as of the person who ordered, if its customer id is known to be shared."""
        if not self.shares(event.customer.id):
            return event
        person = self.person(event.customer, event.order_id)
        return event.model_copy(update={"customer": event.customer.model_copy(update={"id": person})})

    def _digest(self, address: str, known: dict[str, str]) -> str:
        digest = known.get(address)
        if digest is None:
            digest = known[address] = self._digests.mailbox(address)
        return digest

    def mailbox(self, address: str) -> str:
        """16 hexadecimal digits that tell a customer's mailboxes apart."""
        return self._digests.mailbox(address)[:16]

    def of_mailbox(self, address: str) -> str:
        """The id of whoever orders with this email address, or with this phone number and no email address."""
        return PREFIX + self._digests.mailbox(address)[:32]

    def of_order(self, order_id: str) -> str:
        """The id of a guest of whom no more is known than their order."""
        return PREFIX + self._digests.digest(f"order {order_id}").hex()[:32]


def _written(customer_id: str) -> str:
    return customer_id.strip().casefold()
