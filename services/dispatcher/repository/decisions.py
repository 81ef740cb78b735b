"""The decision log."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import orjson
from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.dispatcher.domain.decisions import Decision
from services.dispatcher.domain.reasons import Outcome, Reason
from services.dispatcher.domain.timers import Effect
from shared.contracts.adjustments import Adjustment
from shared.persistence.columns import Columns
from shared.persistence.page import Page

_ROW = Columns(
    decision_id="uuid",
    customer_id="text",
    decided_at="timestamptz",
    outcome="text",
    reason="text",
    order_id="text",
    event_type="text",
    source="text",
    event_id="text",
    occurred_at="timestamptz",
    timer_id="uuid",
    campaign="text",
    until="timestamptz",
    because_of="text",
    effects="jsonb",
    content="uuid",
    adjustments="jsonb",
)
_KNOWN = text(
    """
    SELECT decision_id::text AS decision_id, content::text AS content
    FROM decisions WHERE decision_id = ANY(CAST(:decision_ids AS uuid[]))
    """
)
_FINAL = text(
    """
    SELECT DISTINCT order_id, campaign FROM decisions
    WHERE order_id = ANY(CAST(:order_ids AS text[])) AND timer_id IS NOT NULL AND outcome IN ('sent', 'skipped')
    """
)
_PUT = text(
    f"""
    INSERT INTO decisions ({_ROW.names}) SELECT {_ROW.values} FROM {_ROW.given_in_order} ORDER BY place
    ON CONFLICT (decision_id) DO NOTHING
    """  # noqa: S608  # composed of column names, never values
)
_OF_CUSTOMER = text(
    """
    SELECT decision_id::text AS decision_id, customer_id, decided_at, outcome, reason, order_id, event_type, source,
           event_id, occurred_at, timer_id::text AS timer_id, campaign, until, because_of, effects::text AS effects,
           adjustments::text AS adjustments, position
    FROM decisions
    WHERE customer_id = :customer_id AND position < :before
    ORDER BY position DESC
    LIMIT :limit
    """
)


@dataclass(frozen=True, slots=True)
class LoggedDecision:
    """A decision and its position in the log."""

    position: int
    decision: Decision


async def known(connection: AsyncConnection, decision_ids: Sequence[str]) -> dict[str, str | None]:
    """Which of these decisions already exist, each with the digest of its event's content, if it was kept."""
    rows = await connection.execute(_KNOWN, {"decision_ids": list(decision_ids)})
    return {row.decision_id: row.content for row in rows}


async def asked_about(connection: AsyncConnection, order_ids: Iterable[str]) -> set[tuple[str, str]]:
    """The (campaign, order id) already decided: sent or skipped."""
    rows = await connection.execute(_FINAL, {"order_ids": list(order_ids)})
    return {(row.campaign, row.order_id) for row in rows}


async def put(connection: AsyncConnection, decisions: Sequence[Decision]) -> None:
    """Appends to the log, in this order."""
    if decisions:
        values = _ROW.attributes(decisions)
        values["effects"] = [_effects(decision) for decision in decisions]
        values["adjustments"] = [_adjustments(decision) for decision in decisions]
        await connection.execute(_PUT, values)


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
    return Page.of([LoggedDecision(row["position"], _decision(row)) for row in found.mappings()], limit)


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


def _decision(row: RowMapping) -> Decision:
    values = dict(row)
    del values["position"]
    written = values.pop("effects")
    effects = [] if written is None else orjson.loads(written)
    adjusted = values.pop("adjustments")
    return Decision(
        outcome=Outcome(values.pop("outcome")),
        reason=Reason(values.pop("reason")),
        **values,
        effects=[
            Effect(
                effect["campaign"],
                effect["change"],
                Reason(effect["reason"]),
                None if effect["due_at"] is None else datetime.fromisoformat(effect["due_at"]),
            )
            for effect in effects
        ],
        adjustments=()
        if adjusted is None
        else tuple(Adjustment(entry["field"], entry["change"]) for entry in orjson.loads(adjusted)),
    )
