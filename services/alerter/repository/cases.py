"""Cases: one row per answer, with the columns they are searched by."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerter.domain.case import LAST_WAITING, Case, position_when_closed
from services.alerter.domain.case_list import UNASSIGNED, CaseFilter, CaseRow, Cursor
from services.alerter.domain.search import searchable_texts
from services.alerter.repository import search
from shared.contracts.answers import Answer
from shared.persistence.columns import Columns
from shared.persistence.page import Page
from shared.persistence.statement import Statement
from shared.persistence.stored import read_stored

_COLUMNS = Columns(
    case_id="text",
    revision="bigint",
    answer="jsonb",
    queue="text",
    rule="text",
    status="text",
    sequence="integer",
    opened_at="timestamptz",
    changed_at="timestamptz",
    due_at="timestamptz",
    first_due_at="timestamptz",
    owner="text",
    suggested_action="text",
    closed_reason="text",
    root_cause="text",
    erased="boolean",
    position="bigint",
    customer_key="uuid",
    order_id="text",
    awaits_customer="boolean",
    awaits_order="boolean",
    searched="text",
)
_SELECTED = """case_id, revision, answer::text AS answer, queue, rule, status, sequence, opened_at, changed_at, due_at,
    first_due_at, owner, suggested_action, closed_reason, root_cause, erased"""

# Case.waiting in SQL: a case is written with its position.
_WAITING = f"position <= {LAST_WAITING}"
NO_CASE_WAITING = f"NOT EXISTS (SELECT FROM cases WHERE cases.customer_key = old.customer_key AND {_WAITING})"
"""A condition of a statement about a table ``old``: no case of the row's customer is waiting."""

_LOCK = Statement(f"SELECT {_SELECTED} FROM cases WHERE case_id = ANY(:case_ids) ORDER BY case_id FOR UPDATE")  # noqa: S608  # composed of column names, never values
_READ = Statement(f"SELECT {_SELECTED} FROM cases WHERE case_id = ANY(:case_ids)")  # noqa: S608  # composed of column names, never values
# Waits for a row that another transaction is inserting, and then omits it from the result.
_INSERT = Statement(
    f"""
    INSERT INTO cases ({_COLUMNS.names})
    SELECT {_COLUMNS.values} FROM {_COLUMNS.given} ORDER BY case_id
    ON CONFLICT (case_id) DO NOTHING
    RETURNING case_id
    """  # noqa: S608  # composed of column names, never values
)
_UPDATE = Statement(
    f"""
    UPDATE cases SET {_COLUMNS.updates("given", but="case_id")}
    FROM {_COLUMNS.given} WHERE cases.case_id = given.case_id
    """  # noqa: S608  # composed of column names, never values
)
_OF_CUSTOMER = Statement(
    f"""
    SELECT {_SELECTED} FROM cases
    WHERE customer_key = :customer_key AND case_id <> :other_than ORDER BY opened_at DESC LIMIT :limit
    """  # noqa: S608  # composed of column names, never values
)
_IDS_OF_CUSTOMERS = Statement(
    "SELECT case_id, customer_key FROM cases WHERE customer_key = ANY(CAST(:customer_keys AS uuid[]))"
)
_IDS_ABOUT = Statement("SELECT case_id FROM cases WHERE order_id = ANY(:order_ids)")
_AWAITING = Statement(
    """
    SELECT case_id FROM cases WHERE awaits_customer AND customer_key = ANY(CAST(:customer_keys AS uuid[]))
    UNION
    SELECT case_id FROM cases WHERE awaits_order AND order_id = ANY(:order_ids)
    """
)
# The oldest closed cases are at the end of the order of positions.
_PRUNE = text(
    """
    WITH old AS MATERIALIZED (
        SELECT case_id FROM cases WHERE position > :position ORDER BY position DESC LIMIT :limit FOR UPDATE SKIP LOCKED
    ), history AS (
        DELETE FROM case_history USING old WHERE case_history.case_id = old.case_id
    )
    DELETE FROM cases USING old WHERE cases.case_id = old.case_id
    """
)
_ANY_IN_QUEUE = text("SELECT EXISTS (SELECT FROM cases WHERE queue = :queue)")
# Counts are capped where a larger number would not tell staff more, so that counting a full queue stays cheap.
MAX_COUNTED = 1_000
_COUNT = text(
    f"""
    SELECT queue, waiting.many
    FROM unnest(CAST(:queues AS text[])) AS queue,
         LATERAL (SELECT count(*) AS many
                  FROM (SELECT 1 FROM cases
                        WHERE cases.queue = queue.queue AND {_WAITING} LIMIT :most) AS counted
         ) AS waiting
    """  # noqa: S608  # composed of column names, never values
)


async def lock(connection: AsyncConnection, case_ids: Sequence[str]) -> dict[str, Case]:
    """The existing ones of these cases, by id, locked until the transaction ends."""
    if not case_ids:
        return {}
    rows = await _LOCK.rows(connection, {"case_ids": list(case_ids)})
    return {row.case_id: _case(row) for row in rows}


async def read(connection: AsyncConnection, case_ids: Sequence[str]) -> dict[str, Case]:
    rows = await _READ.rows(connection, {"case_ids": list(case_ids)})
    return {row.case_id: _case(row) for row in rows}


async def insert(connection: AsyncConnection, rows: Sequence[CaseRow]) -> set[str]:
    """Adds cases; returns the ids of those that did not exist yet."""
    if not rows:
        return set()
    return {row["case_id"] for row in await _INSERT.rows(connection, _COLUMNS.parameters(map(_values, rows)))}


async def update(connection: AsyncConnection, rows: Sequence[CaseRow]) -> None:
    """Writes cases this transaction has locked."""
    if rows:
        await _UPDATE.changes(connection, _COLUMNS.parameters(map(_values, rows)))


async def of_customer(connection: AsyncConnection, key: UUID, *, limit: int, other_than: str) -> list[Case]:
    """A customer's latest cases, except the case ``other_than``."""
    rows = await _OF_CUSTOMER.rows(connection, {"customer_key": key, "other_than": other_than, "limit": limit})
    return [_case(row) for row in rows]


async def ids_of_customers(connection: AsyncConnection, keys: Iterable[UUID]) -> dict[str, UUID]:
    """The ids of these customers' cases, each with its customer's key."""
    rows = await _IDS_OF_CUSTOMERS.rows(connection, {"customer_keys": list(keys)})
    return {row.case_id: row.customer_key for row in rows}


async def ids_about(connection: AsyncConnection, order_ids: Iterable[str]) -> list[str]:
    """The ids of the cases about these orders."""
    return [row["case_id"] for row in await _IDS_ABOUT.rows(connection, {"order_ids": list(order_ids)})]


async def awaiting(
    connection: AsyncConnection, *, customer_keys: Iterable[UUID], order_ids: Iterable[str]
) -> list[str]:
    """The ids of waiting cases published before one of these customers or orders was known."""
    values = {"customer_keys": list(customer_keys), "order_ids": list(order_ids)}
    return [row["case_id"] for row in await _AWAITING.rows(connection, values)]


async def prune(connection: AsyncConnection, before: datetime, *, limit: int) -> int:
    """Deletes up to ``limit`` closed cases last changed before ``before``, with their history; returns how many."""
    values = {"position": position_when_closed(before), "limit": limit}
    return (await connection.execute(_PRUNE, values)).rowcount


async def count_waiting(connection: AsyncConnection, queues: Sequence[str]) -> dict[str, int]:
    """How many cases wait in each queue, up to MAX_COUNTED."""
    rows = await connection.execute(_COUNT, {"queues": list(queues), "most": MAX_COUNTED})
    return {row.queue: row.many for row in rows}


async def any_in_queue(connection: AsyncConnection, queue: str) -> bool:
    """Whether there is a case in this queue, in any state."""
    return bool((await connection.execute(_ANY_IN_QUEUE, {"queue": queue})).scalar())


async def page(connection: AsyncConnection, case_filter: CaseFilter, *, after: Cursor | None, limit: int) -> Page[Case]:
    """Up to ``limit`` cases after a cursor: waiting ones by deadline, closed ones newest first."""
    statement, values = page_statement(case_filter, after=after, limit=Page.rows_to_read(limit))
    return Page.of([_case(row) for row in await connection.execute(text(statement), values)], limit)


def page_statement(case_filter: CaseFilter, *, after: Cursor | None, limit: int) -> tuple[str, dict[str, Any]]:
    """The query of a page and its parameters; its conditions match the indexes of ``cases``."""
    conditions = ["queue IS NOT NULL"]
    values: dict[str, Any] = {"limit": limit}
    if case_filter.status != "any":
        conditions.append(f"NOT {_WAITING}" if case_filter.status == "closed" else _WAITING)
    if case_filter.status not in ("any", "waiting", "closed"):
        conditions.append("status = :status")
        values["status"] = case_filter.status
    if case_filter.queue:
        conditions.append("queue = :queue")
        values["queue"] = case_filter.queue
    if case_filter.owner == UNASSIGNED:
        conditions.append("owner IS NULL")
    elif case_filter.owner:
        conditions.append("owner = :owner")
        values["owner"] = case_filter.owner
    if case_filter.search:
        words = search.query(case_filter.search)
        if words is None:
            conditions.append("false")
        else:
            conditions.append("to_tsvector('simple', searched) @@ to_tsquery('simple', :words)")
            values["words"] = words
    if after is not None:
        conditions.append("(position, case_id) > (:after_position, :after_case_id)")
        values |= {"after_position": after.position, "after_case_id": after.case_id}
    where = " AND ".join(conditions)
    return f"SELECT {_SELECTED} FROM cases WHERE {where} ORDER BY position, case_id LIMIT :limit", values  # noqa: S608  # composed of column names, never values


def _values(row: CaseRow) -> Mapping[str, Any]:
    case, context, answer = row.case, row.context, row.case.answer
    return {
        "case_id": case.case_id,
        "revision": case.revision,
        "answer": None if answer is None else answer.model_dump_json(exclude_none=True),
        "queue": case.queue,
        "rule": case.rule,
        "status": case.status,
        "sequence": case.sequence,
        "opened_at": case.opened_at,
        "changed_at": case.changed_at,
        "due_at": case.due_at,
        "first_due_at": case.first_due_at,
        "owner": case.owner,
        "suggested_action": case.suggested_action,
        "closed_reason": case.closed_reason,
        "root_cause": case.root_cause,
        "erased": case.erased,
        "position": case.position,
        "customer_key": context.customer_key,
        "order_id": None if answer is None else answer.order_id,
        "awaits_customer": row.awaits_customer,
        "awaits_order": row.awaits_order,
        "searched": search.document(searchable_texts(case, context)),
    }


def _case(row: Any) -> Case:
    return Case(
        case_id=row.case_id,
        revision=row.revision,
        answer=None if row.answer is None else read_stored(Answer, row.answer),
        queue=row.queue,
        rule=row.rule,
        status=row.status,
        sequence=row.sequence,
        opened_at=row.opened_at,
        changed_at=row.changed_at,
        due_at=row.due_at,
        first_due_at=row.first_due_at,
        owner=row.owner,
        suggested_action=row.suggested_action,
        closed_reason=row.closed_reason,
        root_cause=row.root_cause,
        erased=row.erased,
    )
