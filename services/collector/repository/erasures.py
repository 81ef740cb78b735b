"""SQL that erases a customer, keeping only a digest as a tombstone.

It covers every table with personal data: a new personal column has to be wiped here too.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.collector.repository.answers import stored_answer
from shared.contracts import identity
from shared.contracts.answers import Answer
from shared.persistence.statement import Statement


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiped:
    """The result of an erasure. ``answers`` are those erased now, as they were before; ``order_ids`` all orders that
    are known to be the customer's."""

    sends: int
    answers: list[Answer]
    order_ids: set[str]
    preference_revision: int


# Held to the end of the batch, so that an erasure, which writes to the table, is either visible to us or happens
# after our rows are visible and can be wiped.
_HOLD_OFF_ERASURES = text("LOCK TABLE erasures IN SHARE MODE")
_ERASED_AMONG = text(
    "SELECT customer_digest, erased_at FROM erasures WHERE customer_digest = ANY(CAST(:digests AS bytea[]))"
)


async def hold_off(connection: AsyncConnection) -> None:
    """Until the transaction ends, nobody can be erased; to be called before a row is locked."""
    await connection.execute(_HOLD_OFF_ERASURES)


async def erased_among(connection: AsyncConnection, digests: Sequence[bytes]) -> dict[bytes, datetime]:
    """Those of the customers who were erased, and when; no other erasure can happen until the transaction ends."""
    await connection.execute(_HOLD_OFF_ERASURES)
    rows = await connection.execute(_ERASED_AMONG, {"digests": digests})
    return {bytes(row.customer_digest): row.erased_at for row in rows}


# Answers that are posted directly hold off erasures by these locks instead, so that one customer's erasure waits for,
# and holds up, only the answers that name the customer, and those that name an order without a customer.
# Those that are plainly new do it in the function add_answers (migrations/versions/0012_add_answers.py).
_HOLD_OFF_FOR = Statement(
    """
    SELECT pg_advisory_xact_lock_shared(hashtextextended('hearback.collector.customer.' || customer_id, 0))
    FROM unnest(CAST(:customer_ids AS text[])) AS customer_id
    """
)
_TRY_TO_HOLD_OFF_FOR = Statement(
    """
    SELECT customer_id FROM unnest(CAST(:customer_ids AS text[])) AS customer_id
    WHERE NOT pg_try_advisory_xact_lock_shared(
        hashtextextended('hearback.collector.customer.' || customer_id, 0))
    """
)
_HOLD_OFF_FOR_ORDERS = Statement(
    "SELECT pg_advisory_xact_lock_shared(hashtextextended('hearback.collector.orders', 0))"
)
_TRY_TO_HOLD_OFF_FOR_ORDERS = Statement(
    "SELECT pg_try_advisory_xact_lock_shared(hashtextextended('hearback.collector.orders', 0))"
)
_WAIT_FOR_ANSWERS = text(
    """
    SELECT pg_advisory_xact_lock(hashtextextended('hearback.collector.customer.' || :customer_id, 0)),
           pg_advisory_xact_lock(hashtextextended('hearback.collector.orders', 0))
    """
)
_CUSTOMERS_ERASED_AT = Statement(
    "SELECT customer_digest AS digest, erased_at FROM erasures WHERE customer_digest = ANY(CAST(:digests AS bytea[]))"
)
_ORDERS_ERASED_AT = Statement(
    "SELECT order_digest AS digest, erased_at FROM erased_orders WHERE order_digest = ANY(CAST(:digests AS bytea[]))"
)


async def hold_off_for_customers(connection: AsyncConnection, customer_ids: Collection[str], *, wait: bool) -> set[str]:
    """For answers that name a customer: until the transaction ends, none of these can be erased. Without ``wait``,
    those who are being erased are returned."""
    statement = _HOLD_OFF_FOR if wait else _TRY_TO_HOLD_OFF_FOR
    rows = await statement.rows(connection, {"customer_ids": sorted(customer_ids)})
    return set() if wait else {row.customer_id for row in rows}


async def hold_off_for_orders(connection: AsyncConnection, *, wait: bool) -> bool:
    """For answers that name an order and no customer: until the transaction ends, nobody can be erased. Without
    ``wait``, False when somebody is being erased."""
    if wait:
        await _HOLD_OFF_FOR_ORDERS.rows(connection)
        return True
    return bool(await _TRY_TO_HOLD_OFF_FOR_ORDERS.value(connection))


async def customers_erased_at(connection: AsyncConnection, digests: Collection[bytes]) -> dict[bytes, datetime]:
    """When those of the customers were erased who were, for a transaction that holds off their erasure."""
    rows = await _CUSTOMERS_ERASED_AT.rows(connection, {"digests": sorted(digests)})
    return {row.digest: row.erased_at for row in rows}


async def orders_erased_at(connection: AsyncConnection, digests: Collection[bytes]) -> dict[bytes, datetime]:
    """When the customers of those of the orders were erased, for a transaction that holds off erasures."""
    rows = await _ORDERS_ERASED_AT.rows(connection, {"digests": sorted(digests)})
    return {row.digest: row.erased_at for row in rows}


_PREFERENCE_REVISIONS = text(
    "SELECT customer_digest, preference_revision FROM erasures WHERE customer_digest = ANY(CAST(:digests AS bytea[]))"
)


async def preference_revisions(connection: AsyncConnection, digests: Collection[bytes]) -> dict[bytes, int]:
    """The last preference revision of the erased ones among these customers."""
    rows = await connection.execute(_PREFERENCE_REVISIONS, {"digests": list(digests)})
    return {bytes(row.customer_digest): row.preference_revision for row in rows}


# First, so that a second erasure of the same customer waits for the first.
_REMEMBER = text(
    """
    INSERT INTO erasures (customer_digest, preference_revision, erased_at)
    VALUES (:digest, 0, :now)
    ON CONFLICT (customer_digest) DO UPDATE SET erased_at = greatest(erasures.erased_at, EXCLUDED.erased_at)
    """
)
# Then the sends: an answer in progress locks its send, so that the statement after this one sees it.
_WIPE_SENDS = text(
    """
    UPDATE sends SET customer_id = NULL, address = NULL, name = NULL, order_id = NULL, product = NULL,
                     segments = '{}', erased_at = :now
    WHERE customer_id = :customer_id
    RETURNING old.order_id, send_id
    """
)
_WIPE_SENDS_BY_ID = text(
    """
    UPDATE sends SET customer_id = NULL, address = NULL, name = NULL, order_id = NULL, product = NULL,
                     segments = '{}', erased_at = :now
    WHERE send_id = ANY(CAST(:send_ids AS text[]))
    """
)
_ORDERS_OF = text("SELECT order_id FROM sends WHERE customer_id = :customer_id AND order_id IS NOT NULL")
_WIPE_ANSWERS = text(
    """
    UPDATE answers SET revision = revision + 1, customer_id = NULL, body = NULL, request_digest = NULL, erased_at = :now
    WHERE customer_id = :customer_id
    RETURNING old.revision AS revision, old.body::text AS body
    """
)
# What was answered through a survey is the customer's whom it was sent to, whatever their id was then.
_WIPE_ANSWERS_TO = text(
    """
    UPDATE answers SET revision = revision + 1, customer_id = NULL, body = NULL, request_digest = NULL, erased_at = :now
    WHERE answer_id = ANY(CAST(:answer_ids AS text[])) AND body IS NOT NULL
    RETURNING old.revision AS revision, old.body::text AS body
    """
)
# Answers that name an order of the customer, and no customer.
WIPE_ANSWERS_ABOUT = text(
    """
    UPDATE answers SET revision = revision + 1, body = NULL, request_digest = NULL, erased_at = :now
    WHERE body->>'order_id' = ANY(CAST(:order_ids AS text[])) AND customer_id IS NULL
    RETURNING old.revision AS revision, old.body::text AS body
    """
)
# And those that name one and an id that stands for anybody.
_WIPE_ANSWERS_OF_ANYBODY = text(
    """
    UPDATE answers SET revision = revision + 1, customer_id = NULL, body = NULL, request_digest = NULL, erased_at = :now
    WHERE body->>'order_id' = ANY(CAST(:order_ids AS text[])) AND customer_id IS NOT NULL
        AND customer_id = ANY(CAST(:shared_ids AS text[]))
    RETURNING old.revision AS revision, old.body::text AS body
    """
)
# With a survey, only guests: the others have an id that their shop knows.
NAMED_WITH = text(
    """
    SELECT customer_id FROM sends
    WHERE order_id = ANY(CAST(:order_ids AS text[])) AND customer_id LIKE 'guest-%'
    UNION
    SELECT customer_id FROM answers
    WHERE body->>'order_id' = ANY(CAST(:order_ids AS text[])) AND customer_id IS NOT NULL
    """
)
_ORDERS_OF_CUSTOMERS = text(
    """
    SELECT order_id, customer_id FROM sends
    WHERE order_id = ANY(CAST(:order_ids AS text[])) AND customer_id NOT LIKE 'guest-%'
    UNION
    SELECT body->>'order_id', customer_id FROM answers
    WHERE body->>'order_id' = ANY(CAST(:order_ids AS text[])) AND customer_id NOT LIKE 'guest-%'
    """
)
_REMEMBER_ORDERS = text(
    """
    INSERT INTO erased_orders (order_digest, erased_at)
    SELECT order_digest, :now FROM unnest(CAST(:digests AS bytea[])) AS given (order_digest)
    ON CONFLICT (order_digest) DO UPDATE SET erased_at = greatest(erased_orders.erased_at, EXCLUDED.erased_at)
    """
)
_WIPE_PREFERENCES = text("DELETE FROM preferences WHERE customer_id = :customer_id RETURNING revision")
_NEXT_PREFERENCE_REVISION = text(
    """
    UPDATE erasures SET preference_revision = greatest(preference_revision, :revision) + 1
    WHERE customer_digest = :digest
    RETURNING preference_revision
    """
)


_PRUNE_ORDERS = text(
    """
    DELETE FROM erased_orders WHERE order_digest IN (
        SELECT order_digest FROM erased_orders WHERE erased_at < :before ORDER BY erased_at LIMIT :limit
        FOR UPDATE SKIP LOCKED
    )
    """
)


async def wipe(
    connection: AsyncConnection,
    customer_id: str,
    customer_digest: bytes,
    order_ids: Collection[str],
    now: datetime,
    *,
    shared_ids: Collection[str] = (),
) -> Wiped:
    """Erases the customer's personal data from every table, and takes the next preference revision.

    ``order_ids`` are orders of the customer, besides those of surveys and answers; ``shared_ids`` are under which
    answers about them may stand, although they are those of many people. To be followed by ``remember_orders``.
    """
    await connection.execute(_REMEMBER, {"digest": customer_digest, "now": now})
    await connection.execute(_WAIT_FOR_ANSWERS, {"customer_id": customer_id})
    whose = {"customer_id": customer_id, "now": now}
    sends = (await connection.execute(_WIPE_SENDS, whose)).all()
    answers = _answers(await connection.execute(_WIPE_ANSWERS, whose))
    answers += await _wipe_answers_to(connection, [row.send_id for row in sends], now)
    known_orders = [*(row.order_id for row in sends), *(answer.order_id for answer in answers)]
    orders = {*order_ids, *filter(None, known_orders)}
    about = await connection.execute(WIPE_ANSWERS_ABOUT, {"order_ids": sorted(orders), "now": now})
    if shared_ids:
        known = {"order_ids": sorted(orders), "shared_ids": sorted(shared_ids), "now": now}
        answers += _answers(await connection.execute(_WIPE_ANSWERS_OF_ANYBODY, known))
    revision = (await connection.execute(_WIPE_PREFERENCES, {"customer_id": customer_id})).scalar() or 0
    following = await connection.execute(_NEXT_PREFERENCE_REVISION, {"digest": customer_digest, "revision": revision})
    return Wiped(
        sends=len(sends),
        answers=[*answers, *_answers(about)],
        order_ids=orders,
        preference_revision=following.scalar_one(),
    )


async def wipe_sends(connection: AsyncConnection, send_ids: Collection[str], now: datetime) -> list[Answer]:
    """Erases the personal data of these surveys, whose customers were erased, and of what was answered through them;
    returns the answers erased now, as they were before."""
    if not send_ids:
        return []
    await connection.execute(_WIPE_SENDS_BY_ID, {"send_ids": sorted(send_ids), "now": now})
    return await _wipe_answers_to(connection, send_ids, now)


async def _wipe_answers_to(connection: AsyncConnection, send_ids: Collection[str], now: datetime) -> list[Answer]:
    answer_ids = sorted(map(identity.answer_id, send_ids))
    return _answers(await connection.execute(_WIPE_ANSWERS_TO, {"answer_ids": answer_ids, "now": now}))


async def orders_of(connection: AsyncConnection, customer_id: str) -> set[str]:
    """The orders that the customer was asked about."""
    return set((await connection.execute(_ORDERS_OF, {"customer_id": customer_id})).scalars())


async def named_with(connection: AsyncConnection, order_ids: Collection[str]) -> set[str]:
    """The customers of these orders: guests who were asked about one, and whoever an answer names with one."""
    return set((await connection.execute(NAMED_WITH, {"order_ids": sorted(order_ids)})).scalars())


async def orders_of_customers(connection: AsyncConnection, order_ids: Collection[str]) -> set[tuple[str, str]]:
    """Those of the orders that somebody with an id of the shop's was asked about or answered about, each with that
    id."""
    rows = await connection.execute(_ORDERS_OF_CUSTOMERS, {"order_ids": sorted(order_ids)})
    return {(row.order_id, row.customer_id) for row in rows}


async def remember_orders(connection: AsyncConnection, order_digests: Collection[bytes], now: datetime) -> None:
    """Remembers that the customer of these orders was erased."""
    await connection.execute(_REMEMBER_ORDERS, {"digests": sorted(order_digests), "now": now})


async def prune_orders(connection: AsyncConnection, before: datetime, limit: int) -> int:
    """Forgets up to ``limit`` orders whose customer was erased before ``before``; returns how many."""
    return (await connection.execute(_PRUNE_ORDERS, {"before": before, "limit": limit})).rowcount


def _answers(rows: Iterable[Row[Any]]) -> list[Answer]:
    stored = [stored_answer(row.revision, row.body).answer for row in rows]
    return [answer for answer in stored if answer is not None]
