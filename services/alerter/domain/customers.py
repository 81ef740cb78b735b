"""A customer's contact details: folded from orders and sends, in any order."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict

from shared.contracts.orders import OrderEvent
from shared.contracts.sends import SurveySent
from shared.last_write_wins import merge, text_of
from shared.mail.addresses import comparable
from shared.moments import moment_of, stamp_of
from shared.texts.lines import MAX_NAME, given_name, one_line


def _called(told: str | None) -> str | None:
    """The name as staff read it; None for what programs write where there is none, such as ``null``."""
    name = given_name((told or "")[:MAX_NAME])
    if name and len(told or "") > MAX_NAME:
        return one_line(told or "")
    return name or None


class Customer(BaseModel):
    """A customer's contact details. ``told`` has the time each detail was reported, so that the latest wins."""

    model_config = ConfigDict(frozen=True)

    customer_id: str
    name: Annotated[str | None, BeforeValidator(_called)] = None
    email: str | None = None
    phone: str | None = None
    locale: str | None = None
    timezone: str | None = None
    told: dict[str, datetime] = {}

    def with_details(self, at: datetime, **details: str | None) -> "Customer":
        """The customer after ``details`` were reported at ``at``; None and empty ones are ignored."""
        if "name" in details:
            details = {**details, "name": _called(details["name"])}
        known = {field: (stamp_of(told_at), getattr(self, field)) for field, told_at in self.told.items()}
        writes = merge(known, {field: value or None for field, value in details.items()}, at)
        values = {field: text_of(writes, field) for field in writes}
        return self.model_copy(
            update={**values, "told": {field: moment_of(stamp) for field, (stamp, _) in writes.items()}}
        )


def with_order(customer: Customer, event: OrderEvent, at: datetime | None = None) -> Customer:
    """The customer after an event of one of their orders, whose details were said ``at`` that time, by default when it
    happened."""
    who = event.customer
    return customer.with_details(
        at or event.occurred_at,
        name=who.name,
        email=who.email,
        phone=who.phone,
        locale=who.locale,
        timezone=who.timezone,
    )


def who_ordered(customer: Customer | None, event: OrderEvent, at: datetime | None = None) -> Customer:
    """Whoever placed an order, by what its own events say, after one more of them; of the ids, the latest counts."""
    at = at or event.occurred_at
    known = customer or Customer(customer_id=event.customer.id)
    return with_order(known, event, at).with_details(at, customer_id=event.customer.id)


def of_case(ordered: Customer | None, known: Customer | None) -> Customer | None:
    """Whose details a case shows that has an order: ``ordered`` is what the order says of its customer, ``known`` the
    latest that all orders and surveys under the customer's id say.

    An id may be more than one person's without anybody having found out. So the latest details count as long as the
    order says nothing else; otherwise, the order's own do.
    """
    if ordered is None or known is None:
        return ordered or known
    if ordered.email and known.email:
        same = comparable(ordered.email) == comparable(known.email)
    else:
        same = not ordered.name or not known.name or ordered.name == known.name
    if not same:
        return ordered
    return ordered.model_copy(update=known.model_dump(exclude_none=True, exclude={"told"}))


def with_send(customer: Customer, send: SurveySent) -> Customer:
    """The customer after a survey was sent to them: its address counts like one from an order."""
    address = send.recipient.address
    return customer.with_details(
        send.sent_at,
        name=send.recipient.name,
        email=address if send.channel == "email" else None,
        phone=address if send.channel == "sms" else None,
        locale=send.locale,
        timezone=send.recipient.timezone,
    )
