"""Surveys sent to customers, one document each. The customer's row must be locked before they are written."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerter.domain.surveys import Survey
from services.alerter.repository.cases import NO_CASE_WAITING
from shared.persistence.columns import Columns
from shared.persistence.statement import Statement
from shared.persistence.stored import read_stored

_COLUMNS = Columns(send_id="text", customer_key="uuid", document="jsonb", sent_at="timestamptz")
_ERASED = Columns(customer_key="uuid", erased_at="timestamptz")

_READ = Statement("SELECT document::text AS document FROM customer_surveys WHERE send_id = :send_id")
_OF_CUSTOMER = Statement(
    """
    SELECT document::text AS document FROM customer_surveys
    WHERE customer_key = :key ORDER BY sent_at DESC LIMIT :limit
    """
)
_SAVE = Statement(
    f"""
    INSERT INTO customer_surveys ({_COLUMNS.names})
    SELECT {_COLUMNS.values} FROM {_COLUMNS.given} ORDER BY send_id
    ON CONFLICT (send_id) DO NOTHING
    """  # noqa: S608  # composed of column names, never values
)
_ERASE = text(
    f"""
    DELETE FROM customer_surveys USING {_ERASED.given}
    WHERE customer_surveys.customer_key = given.customer_key AND sent_at <= given.erased_at
    """  # noqa: S608  # composed of column names, never values
)
_DELETE_ABOUT = text(
    """
    DELETE FROM customer_surveys
    WHERE customer_key = ANY(CAST(:keys AS uuid[])) AND document->>'order_id' = ANY(:order_ids)
    """
)
_TELL_APART = text(
    """
    UPDATE customer_surveys SET customer_key = customer_orders.customer_key FROM customer_orders
    WHERE customer_surveys.customer_key = ANY(CAST(:keys AS uuid[]))
      AND customer_orders.order_id = customer_surveys.document->>'order_id'
    """
)
_PRUNE = text(
    f"""
    DELETE FROM customer_surveys WHERE send_id IN (
        SELECT send_id FROM customer_surveys AS old WHERE sent_at < :before AND {NO_CASE_WAITING}
        ORDER BY sent_at LIMIT :limit FOR UPDATE SKIP LOCKED)
    """  # noqa: S608  # composed of column names, never values
)


async def read(connection: AsyncConnection, send_id: str) -> Survey | None:
    """The survey of a send, None while it is unknown."""
    document = await _READ.value(connection, {"send_id": send_id})
    return None if document is None else read_stored(Survey, document)


async def of_customer(connection: AsyncConnection, key: UUID, *, limit: int) -> list[Survey]:
    """The surveys a customer was sent, newest first."""
    rows = await _OF_CUSTOMER.rows(connection, {"key": key, "limit": limit})
    return [read_stored(Survey, row["document"]) for row in rows]


async def save(connection: AsyncConnection, surveys: Sequence[tuple[UUID, Survey]]) -> None:
    """``surveys`` are pairs of the key of a customer this transaction has locked and the survey."""
    if not surveys:
        return
    rows = (
        {
            "send_id": survey.send_id,
            "customer_key": key,
            "document": survey.model_dump_json(exclude_none=True),
            "sent_at": survey.sent_at,
        }
        for key, survey in surveys
    )
    await _SAVE.changes(connection, _COLUMNS.parameters(rows))


async def erase(connection: AsyncConnection, times: Mapping[UUID, datetime]) -> None:
    """Deletes the surveys sent before their customer's erasure, of customers this transaction has locked."""
    rows = ({"customer_key": key, "erased_at": at} for key, at in times.items())
    await connection.execute(_ERASE, _ERASED.parameters(rows))


async def delete_about(connection: AsyncConnection, order_ids: Collection[str], *, of: Collection[UUID]) -> int:
    """Deletes the surveys about these orders that were sent to customers this transaction has locked; returns how many
    there were."""
    return (await connection.execute(_DELETE_ABOUT, {"keys": list(of), "order_ids": list(order_ids)})).rowcount


async def tell_apart(connection: AsyncConnection, keys: Collection[UUID]) -> None:
    """Gives the surveys of these customers, who turned out to be many people, to whoever placed the order of each."""
    await connection.execute(_TELL_APART, {"keys": list(keys)})


async def prune(connection: AsyncConnection, before: datetime, *, limit: int) -> int:
    """Deletes up to ``limit`` of the oldest surveys sent before ``before``, except those of customers with a waiting
    case; returns how many."""
    return (await connection.execute(_PRUNE, {"before": before, "limit": limit})).rowcount
