"""Cases and their history."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerter.domain import publication, search
from services.alerter.domain.case import LAST_WAITING, Case, Entry
from services.alerter.domain.history import customer_key
from services.alerter.domain.publication import Surroundings
from shared.contracts.answers import Answer

# What the statements below are composed of: names of columns, never values (which is why S608 does not apply).
_COLUMNS = {
    "case_id": "text",
    "revision": "bigint",
    "answer": "text",
    "queue": "text",
    "rule": "text",
    "status": "text",
    "sequence": "integer",
    "opened_at": "timestamptz",
    "changed_at": "timestamptz",
    "due_at": "timestamptz",
    "owner": "text",
    "suggested_action": "text",
    "closed_reason": "text",
    "root_cause": "text",
    "erased": "boolean",
    "position": "bigint",
    "customer_key": "uuid",
    "order_id": "text",
    "awaits_customer": "boolean",
    "awaits_order": "boolean",
    "searched": "text",
}
_NAMES = ", ".join(_COLUMNS)
_VALUES = ", ".join("answer::jsonb" if name == "answer" else name for name in _COLUMNS)
_SET = ", ".join(f"{name} = given.{name}{'::jsonb' if name == 'answer' else ''}" for name in _COLUMNS)
_GIVEN = ", ".join(f"CAST(:{name} AS {kind}[])" for name, kind in _COLUMNS.items())
_READ = """case_id, revision, answer::text AS answer, queue, rule, status, sequence, opened_at, changed_at, due_at,
    owner, suggested_action, closed_reason, root_cause, erased"""

_LOCK = text(f"SELECT {_READ} FROM cases WHERE case_id = ANY(:case_ids) ORDER BY case_id FOR UPDATE")  # noqa: S608
_READ_SOME = text(f"SELECT {_READ} FROM cases WHERE case_id = ANY(:case_ids)")  # noqa: S608
# A row somebody else is inserting at this moment is waited for, and then left out of what is returned.
_INSERT = text(
    f"""
    INSERT INTO cases ({_NAMES})
    SELECT {_VALUES} FROM unnest({_GIVEN}) AS given ({_NAMES}) ORDER BY case_id
    ON CONFLICT (case_id) DO NOTHING
    RETURNING case_id
    """  # noqa: S608
)
_UPDATE = text(
    f"""
    UPDATE cases SET {_SET} FROM unnest({_GIVEN}) AS given ({_NAMES}) WHERE cases.case_id = given.case_id
    """  # noqa: S608
)
_ADD_HISTORY = text(
    """
    INSERT INTO case_history (case_id, sequence, at, kind, actor, details)
    SELECT case_id, sequence, at, kind, actor, details::jsonb
    FROM unnest(CAST(:case_ids AS text[]), CAST(:sequences AS integer[]), CAST(:times AS timestamptz[]),
                CAST(:kinds AS text[]), CAST(:actors AS text[]), CAST(:details AS text[]))
         AS entry (case_id, sequence, at, kind, actor, details)
    """
)
_FORGET_HISTORY = text("DELETE FROM case_history WHERE case_id = ANY(:case_ids)")
_HISTORY = text(
    """
    SELECT sequence, at, kind, actor, details::text AS details FROM case_history
    WHERE case_id = :case_id ORDER BY sequence DESC LIMIT :most
    """
)
_OF_CUSTOMER = text(
    f"""
    SELECT {_READ} FROM cases
    WHERE customer_key = :customer_key AND case_id <> :but ORDER BY opened_at DESC LIMIT :most
    """  # noqa: S608
)
_OF_CUSTOMERS = text("SELECT case_id FROM cases WHERE customer_key = ANY(CAST(:customer_keys AS uuid[]))")
_AWAITING = text(
    """
    SELECT case_id FROM cases WHERE awaits_customer AND customer_key = ANY(CAST(:customer_keys AS uuid[]))
    UNION
    SELECT case_id FROM cases WHERE awaits_order AND order_id = ANY(:order_ids)
    """
)
# Counts stop at a number nobody tells from a larger one at a glance, so that a full queue costs no more than this.
MOST_COUNTED = 1_000
_COUNT = text(
    """
    SELECT queue, waiting.many
    FROM unnest(CAST(:queues AS text[])) AS queue,
         LATERAL (SELECT count(*) AS many
                  FROM (SELECT 1 FROM cases
                        WHERE cases.queue = queue.queue AND position <= :last_waiting LIMIT :most) AS counted
         ) AS waiting
    """
)


@dataclass(frozen=True, slots=True)
class Kept:
    """A case and what is known around it, from which its columns for finding it are made."""

    case: Case
    around: Surroundings


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which cases a list shows. ``status`` is one of a case's, or "waiting" for all but closed; empty is no filter.

    ``owner`` "-" stands for nobody.
    """

    queue: str = ""
    status: str = "waiting"
    owner: str = ""
    search: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page of a list ended."""

    position: int
    case_id: str


async def lock(connection: AsyncConnection, case_ids: Sequence[str]) -> dict[str, Case]:
    """Those of the cases that exist, by id, kept from change by others until the transaction ends."""
    rows = await connection.execute(_LOCK, {"case_ids": list(case_ids)})
    return {row.case_id: _case(row) for row in rows}


async def read(connection: AsyncConnection, case_ids: Sequence[str]) -> dict[str, Case]:
    rows = await connection.execute(_READ_SOME, {"case_ids": list(case_ids)})
    return {row.case_id: _case(row) for row in rows}


async def insert(connection: AsyncConnection, kept: Sequence[Kept]) -> set[str]:
    """Adds cases; the ids of those that were not there yet."""
    if not kept:
        return set()
    return set((await connection.execute(_INSERT, _arrays(kept))).scalars())


async def update(connection: AsyncConnection, kept: Sequence[Kept]) -> None:
    """Writes cases this transaction has locked."""
    if kept:
        await connection.execute(_UPDATE, _arrays(kept))


async def add_history(connection: AsyncConnection, entries: Sequence[tuple[str, Entry]]) -> None:
    """``entries`` are pairs of case id and line."""
    if not entries:
        return
    await connection.execute(
        _ADD_HISTORY,
        {
            "case_ids": [case_id for case_id, _ in entries],
            "sequences": [entry.sequence for _, entry in entries],
            "times": [entry.at for _, entry in entries],
            "kinds": [entry.kind for _, entry in entries],
            "actors": [entry.actor for _, entry in entries],
            "details": [json.dumps(dict(entry.details)) for _, entry in entries],
        },
    )


async def forget_history(connection: AsyncConnection, case_ids: Sequence[str]) -> None:
    if case_ids:
        await connection.execute(_FORGET_HISTORY, {"case_ids": list(case_ids)})


async def history(connection: AsyncConnection, case_id: str, most: int = 200) -> list[Entry]:
    """The newest ``most`` lines of a case's history, oldest first."""
    rows = await connection.execute(_HISTORY, {"case_id": case_id, "most": most})
    entries = [Entry(row.sequence, row.at, row.kind, row.actor, json.loads(row.details)) for row in rows]
    return entries[::-1]


async def of_customer(connection: AsyncConnection, key: UUID, but: str, most: int) -> list[Case]:
    """A customer's newest cases, without the case ``but``."""
    rows = await connection.execute(_OF_CUSTOMER, {"customer_key": key, "but": but, "most": most})
    return [_case(row) for row in rows]


async def ids_of_customers(connection: AsyncConnection, keys: Iterable[UUID]) -> list[str]:
    return list((await connection.execute(_OF_CUSTOMERS, {"customer_keys": list(keys)})).scalars())


async def awaiting(connection: AsyncConnection, keys: Iterable[UUID], order_ids: Iterable[str]) -> list[str]:
    """The ids of waiting cases that were told of without one of these customers or orders."""
    given = {"customer_keys": list(keys), "order_ids": list(order_ids)}
    return list((await connection.execute(_AWAITING, given)).scalars())


async def count_waiting(connection: AsyncConnection, queues: Sequence[str]) -> dict[str, int]:
    """How many cases wait in each queue, at most MOST_COUNTED."""
    rows = await connection.execute(
        _COUNT, {"queues": list(queues), "most": MOST_COUNTED, "last_waiting": LAST_WAITING}
    )
    return {row.queue: row.many for row in rows}


async def page(connection: AsyncConnection, wanted: Wanted, after: Place | None, limit: int) -> list[Case]:
    """Up to ``limit`` cases after a place: those that wait by deadline, closed ones newest first."""
    statement, given = page_statement(wanted, after, limit)
    return [_case(row) for row in await connection.execute(text(statement), given)]


def page_statement(wanted: Wanted, after: Place | None, limit: int) -> tuple[str, dict[str, Any]]:
    """The query of a page and its values; its conditions are those the indexes of ``cases`` were made for."""
    conditions = ["queue IS NOT NULL"]
    given: dict[str, Any] = {"limit": limit}
    if wanted.status:
        conditions.append("position > :last_waiting" if wanted.status == "closed" else "position <= :last_waiting")
        given["last_waiting"] = LAST_WAITING
    if wanted.status not in ("", "waiting", "closed"):
        conditions.append("status = :status")
        given["status"] = wanted.status
    if wanted.queue:
        conditions.append("queue = :queue")
        given["queue"] = wanted.queue
    if wanted.owner == "-":
        conditions.append("owner IS NULL")
    elif wanted.owner:
        conditions.append("owner = :owner")
        given["owner"] = wanted.owner
    if wanted.search:
        words = search.query(wanted.search)
        if words is None:
            conditions.append("false")
        else:
            conditions.append("to_tsvector('simple', searched) @@ to_tsquery('simple', :words)")
            given["words"] = words
    if after is not None:
        conditions.append("(position, case_id) > (:after_position, :after_case_id)")
        given |= {"after_position": after.position, "after_case_id": after.case_id}
    where = " AND ".join(conditions)
    return f"SELECT {_READ} FROM cases WHERE {where} ORDER BY position, case_id LIMIT :limit", given  # noqa: S608


def _arrays(kept: Sequence[Kept]) -> dict[str, list[Any]]:
    rows = [_row(one.case, one.around) for one in kept]
    return {name: [row[name] for row in rows] for name in _COLUMNS}


def _row(case: Case, around: Surroundings) -> Mapping[str, Any]:
    answer = case.answer
    customer = None if answer is None or answer.customer_id is None else customer_key(answer.customer_id)
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
        "owner": case.owner,
        "suggested_action": case.suggested_action,
        "closed_reason": case.closed_reason,
        "root_cause": case.root_cause,
        "erased": case.erased,
        "position": case.position,
        "customer_key": customer,
        "order_id": None if answer is None else answer.order_id,
        "awaits_customer": case.waiting and customer is not None and around.customer is None,
        "awaits_order": case.waiting and answer is not None and answer.order_id is not None and around.order is None,
        "searched": publication.searched(case, around),
    }


def _case(row: Row[Any]) -> Case:
    return Case(
        case_id=row.case_id,
        revision=row.revision,
        answer=None if row.answer is None else Answer.model_validate_json(row.answer, extra="ignore"),
        queue=row.queue,
        rule=row.rule,
        status=row.status,
        sequence=row.sequence,
        opened_at=row.opened_at,
        changed_at=row.changed_at,
        due_at=row.due_at,
        owner=row.owner,
        suggested_action=row.suggested_action,
        closed_reason=row.closed_reason,
        root_cause=row.root_cause,
        erased=row.erased,
    )
