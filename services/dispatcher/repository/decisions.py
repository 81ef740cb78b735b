"""The decision log."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from operator import attrgetter
from typing import Any

import orjson
from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.dispatcher.domain.decisions import Decision
from services.dispatcher.domain.reasons import Outcome, Reason
from services.dispatcher.domain.timers import Effect
from services.dispatcher.repository import campaigns
from shared.contracts.adjustments import Adjustment
from shared.persistence.columns import Columns, array_literal
from shared.persistence.page import Page
from shared.persistence.statement import Statement

_TYPES = {
    "decision_id": "uuid",
    "customer_id": "text",
    "decided_at": "timestamptz",
    "outcome": "text",
    "reason": "text",
    "order_id": "text",
    "event_type": "text",
    "source": "text",
    "event_id": "text",
    "occurred_at": "timestamptz",
    "timer_id": "uuid",
    "campaign": "text",
    "until": "timestamptz",
    "because_of": "text",
    "effects": "jsonb",
    "content": "uuid",
    "adjustments": "jsonb",
    "left_out": "jsonb",
}
# Looked up one by one, which OFFSET 0 makes sure of: a plan that was made while there were few rows, and reads all of
# them, would be kept when there are many.
_KNOWN = Statement(
    """
    SELECT known.decision_id::text, known.content::text
    FROM unnest(CAST(CAST(:decision_ids AS text) AS uuid[])) AS wanted (decision_id)
    CROSS JOIN LATERAL (SELECT * FROM decisions WHERE decisions.decision_id = wanted.decision_id OFFSET 0) AS known
    """
)
_FINAL = Statement(
    """
    SELECT final.order_id, final.campaign
    FROM unnest(CAST(CAST(:order_ids AS text) AS text[])) AS wanted (order_id)
    CROSS JOIN LATERAL (
        SELECT * FROM decisions
        WHERE decisions.order_id = wanted.order_id AND timer_id IS NOT NULL AND outcome IN ('sent', 'skipped')
        OFFSET 0
    ) AS final
    """
)
_OF_CUSTOMER = text(
    """
    SELECT decision_id::text AS decision_id, customer_id, decided_at, outcome, reason, order_id, event_type, source,
           event_id, occurred_at, timer_id::text AS timer_id, campaign, until, because_of, effects::text AS effects,
           adjustments::text AS adjustments, left_out::text AS left_out, position
    FROM decisions
    WHERE customer_id = :customer_id AND position < :before
    ORDER BY position DESC
    LIMIT :limit
    """
)


@dataclass(frozen=True, slots=True)
class LoggedDecision:
    """A decision and its position in the log. Its effects include those on the campaigns that it left out."""

    position: int
    decision: Decision


async def known(connection: AsyncConnection, decision_ids: Sequence[str]) -> dict[str, str | None]:
    """Which of these decisions already exist, each with the digest of its event's content, if it was kept."""
    return dict(await _KNOWN.rows(connection, {"decision_ids": array_literal(decision_ids, "uuid")}))


async def asked_about(connection: AsyncConnection, order_ids: Iterable[str]) -> set[tuple[str, str]]:
    """The (campaign, order id) already decided: sent or skipped."""
    rows = await _FINAL.rows(connection, {"order_ids": array_literal(list(order_ids))})
    return {(campaign, order_id) for order_id, campaign in rows}


async def put(connection: AsyncConnection, decisions: Sequence[Decision]) -> None:
    """Appends to the log, in this order."""
    if not decisions:
        return
    values: dict[str, list[Any]] = {
        name: list(map(attrgetter(name), decisions)) for name in _TYPES if name not in _WRITTEN
    }
    for name, write in _WRITTEN.items():
        values[name] = list(map(write, decisions))
    # Half of the columns are for events, the others for timers.
    said = tuple(name for name, column in values.items() if column.count(None) < len(column))
    row, statement = _put(said)
    await statement.changes(connection, row.literals(values))


@lru_cache(maxsize=30)
def _put(names: Sequence[str]) -> tuple[Columns, Statement]:
    row = Columns(**{name: _TYPES[name] for name in names})
    return row, Statement(
        f"""
        INSERT INTO decisions ({row.names}) SELECT {row.values} FROM {row.written_in_order} ORDER BY place
        ON CONFLICT (decision_id) DO NOTHING
        """  # noqa: S608  # composed of column names, never values
    )


async def of_customer(
    connection: AsyncConnection, customer_id: str, *, before: int | None, limit: int
) -> Page[LoggedDecision]:
    """Up to ``limit`` decisions about a customer, newest first, older than position ``before``."""
    found = await connection.execute(
        _OF_CUSTOMER,
        {
            "customer_id": customer_id,
            "before": 2**62 if before is None else before,
            "limit": Page.rows_to_read(limit),
        },
    )
    rows = found.mappings().all()
    ids = await campaigns.ids(connection) if any(row["left_out"] is not None for row in rows) else {}
    return Page.of([LoggedDecision(row["position"], _decision(row, ids)) for row in rows], limit)


def _effects(decision: Decision) -> str | None:
    if not decision.effects:
        return None
    # The log and the API call it due_at.
    return orjson.dumps(
        [
            {
                "campaign": effect.campaign,
                "change": effect.change,
                "reason": effect.reason,
                "due_at": effect.check_at,
            }
            for effect in decision.effects
        ]
    ).decode()


def _adjustments(decision: Decision) -> str | None:
    return orjson.dumps(decision.adjustments).decode() if decision.adjustments else None


def _left_out(decision: Decision) -> str | None:
    if not decision.left_out:
        return None
    return orjson.dumps({str(reason): f"{which:x}" for reason, which in decision.left_out}).decode()


_WRITTEN = {"effects": _effects, "adjustments": _adjustments, "left_out": _left_out}


def _effects_left_out(written: str | None, ids: Mapping[int, str]) -> list[Effect]:
    """What ``_left_out`` wrote, as the effects on these campaigns; ``ids`` has theirs by number."""
    if written is None:
        return []
    found = []
    for reason, digits in orjson.loads(written).items():
        which = int(digits, 16)
        found += [Effect(name, "none", Reason(reason)) for number, name in ids.items() if which >> number & 1]
    return found


def _decision(row: RowMapping, ids: Mapping[int, str]) -> Decision:
    values = dict(row)
    del values["position"]
    left_out = _effects_left_out(values.pop("left_out"), ids)
    written = values.pop("effects")
    effects = [] if written is None else orjson.loads(written)
    adjusted = values.pop("adjustments")
    return Decision(
        outcome=Outcome(values.pop("outcome")),
        reason=Reason(values.pop("reason")),
        **values,
        effects=sorted(
            [
                *left_out,
                *(
                    Effect(
                        effect["campaign"],
                        effect["change"],
                        Reason(effect["reason"]),
                        None if effect["due_at"] is None else datetime.fromisoformat(effect["due_at"]),
                    )
                    for effect in effects
                ),
            ],
            key=lambda effect: effect.campaign,
        ),
        adjustments=()
        if adjusted is None
        else tuple(Adjustment(entry["field"], entry["change"]) for entry in orjson.loads(adjusted)),
    )
