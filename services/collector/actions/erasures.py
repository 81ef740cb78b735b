"""Erasing a customer: all personal data is wiped here, and an event makes every other service do the same."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from services.collector.domain.answers import erased_answer
from services.collector.domain.guests import GuestKnownBy
from services.collector.queries import shared_ids
from services.collector.repository import erased_ids, erasures
from services.collector.settings import CollectorSettings
from shared import tracing
from shared.contracts import answers, preferences
from shared.contracts.preferences import Preference
from shared.guests import PREFIX
from shared.messaging import forgetting
from shared.persistence.transaction import transaction
from shared.runtime import Runtime

ORDERS_REMEMBERED_DAYS = 30
"""How late an answer given before an erasure may be posted and still be refused by its order alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestErasure:
    """The ids of guests that were erased, and how many answers and sends held their data. ``orders_of_customers`` are
    those of the orders given that are not a guest's, but of somebody with an id of the shop's."""

    customer_ids: tuple[str, ...]
    answers: int
    sends: int
    erased_at: datetime
    orders_of_customers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """How many answers and sends held the customer's data, and when they were wiped."""

    answers: int
    sends: int
    erased_at: datetime


async def erase_customer(
    runtime: Runtime[CollectorSettings],
    customer_id: str,
    order_ids: Collection[str] = (),
    *,
    shared_ids: Collection[str] = (),
) -> Erasure:
    """Wipes the customer's data and publishes the erasure. A repeated call wipes what arrived since and publishes
    again, because other services may hold orders that never came here.

    Answers that name an order and no customer, or one of the ``shared_ids``, are wiped, too, if the order is one of
    ``order_ids``, or known as the customer's from a survey or another answer.
    """
    now = runtime.clock.now()
    digest = runtime.digests.digest(customer_id)
    trace = tracing.current()
    async with runtime.transaction() as connection:
        wiped = await erasures.wipe(connection, customer_id, digest, order_ids, now, shared_ids=shared_ids)
        await erasures.remember_orders(connection, {runtime.digests.order(order) for order in wiped.order_ids}, now)
        await erased_ids.put(connection, customer_id, now)
        erased = [erased_answer(answer, now, runtime.settings.zone) for answer in wiped.answers]
        events = [answers.event(body, traceparent=trace) for body in sorted(erased, key=lambda body: body.answer_id)]
        gone = Preference(customer_id=customer_id, revision=wiped.preference_revision, occurred_at=now)
        events.append(preferences.event(preferences.ERASED, gone, traceparent=trace))
        await forgetting.blank(connection, {customer_id: now})
        await forgetting.blank_answers(connection, [answer.answer_id for answer in wiped.answers])
        await runtime.outbox.put(connection, events)
    return Erasure(answers=len(wiped.answers), sends=wiped.sends, erased_at=now)


async def erase_guest(runtime: Runtime[CollectorSettings], known_by: GuestKnownBy) -> GuestErasure:
    """Erases whoever ordered without an account, with one of these addresses or orders.

    Their ids follow from the addresses and the orders; by which address somebody placed an order is known from its
    survey or an answer. Answers about the orders that were posted under an id that is many people's are theirs, too.
    """
    guests = runtime.guests
    found = {guests.of_mailbox(address) for address in known_by.addresses}
    found |= {guests.of_order(order_id) for order_id in known_by.order_ids}
    async with runtime.read_only() as connection:
        named = await erasures.named_with(connection, known_by.order_ids)
        found |= {name for name in named if name.startswith(PREFIX)}
        order_ids = set(known_by.order_ids).union(*[await erasures.orders_of(connection, each) for each in found])
        named |= await erasures.named_with(connection, order_ids)
        shared = await shared_ids.among(connection, runtime.digests, guests, named)
        of_customers = await erasures.orders_of_customers(connection, known_by.order_ids)
    done = [
        await erase_customer(runtime, customer_id, known_by.order_ids, shared_ids=shared)
        for customer_id in sorted(found)
    ]
    return GuestErasure(
        customer_ids=tuple(sorted(found)),
        answers=sum(each.answers for each in done),
        sends=sum(each.sends for each in done),
        erased_at=max(each.erased_at for each in done),
        orders_of_customers=tuple(
            sorted({order_id for order_id, name in of_customers if not (name in shared or guests.shares(name))})
        ),
    )


async def prune(runtime: Runtime[CollectorSettings]) -> bool:
    """Forgets one batch of erased customers' orders, once no answer about them can be on its way; True when there may
    be more."""
    limit = runtime.settings.prune_batch_size
    before = runtime.clock.now() - timedelta(days=ORDERS_REMEMBERED_DAYS)
    async with transaction(runtime.engine) as connection:
        forgotten = await erasures.prune_orders(connection, before, limit)
    return forgotten == limit


async def forget_ids(runtime: Runtime[CollectorSettings]) -> bool:
    """Removes one batch of erased customers' ids from Kafka, once nobody needs to be told of the erasure any more; True
    when there may be more."""
    async with runtime.transaction() as connection:
        return await forget_ids_in(connection, runtime) == runtime.settings.prune_batch_size


async def forget_ids_in(connection: AsyncConnection, runtime: Runtime[CollectorSettings]) -> int:
    """The same in the caller's transaction; returns how many there were."""
    before = runtime.clock.now() - runtime.settings.erased_id_period
    taken = await erased_ids.take(connection, before, runtime.settings.prune_batch_size)
    gone = [customer_id for customer_id in taken.customer_ids if customer_id not in taken.came_back]
    await runtime.outbox.remove(connection, preferences.TOPIC, gone)
    return len(taken.customer_ids)
