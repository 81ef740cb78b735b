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

_KNOWN = text(
    "SELECT decision_id::text AS decision_id FROM decisions WHERE decision_id = ANY(CAST(:decision_ids AS uuid[]))"
)
_FINAL = text(
    """
    SELECT DISTINCT order_id, campaign FROM decisions
    WHERE order_id = ANY(CAST(:order_ids AS text[])) AND timer_id IS NOT NULL AND outcome IN ('sent', 'skipped')
    """
)
_PUT = text(
    """
    INSERT INTO decisions
        (decision_id, customer_id, decided_at, outcome, reason, order_id, event_type, source, event_id, occurred_at,
         timer_id, campaign, until, because_of, effects)
    SELECT decision_id, customer_id, decided_at, outcome, reason, order_id, event_type, source, event_id, occurred_at,
           timer_id, campaign, until, because_of, CAST(effects AS jsonb)
    FROM unnest(
        CAST(:decision_ids AS uuid[]), CAST(:customer_ids AS text[]), CAST(:decided_ats AS timestamptz[]),
        CAST(:outcomes AS text[]), CAST(:reasons AS text[]), CAST(:order_ids AS text[]), CAST(:event_types AS text[]),
        CAST(:sources AS text[]), CAST(:event_ids AS text[]), CAST(:occurred_ats AS timestamptz[]),
        CAST(:timer_ids AS uuid[]), CAST(:campaigns AS text[]), CAST(:untils AS timestamptz[]),
        CAST(:because_ofs AS text[]), CAST(:effects AS text[])
    ) WITH ORDINALITY AS decision
        (decision_id, customer_id, decided_at, outcome, reason, order_id, event_type, source, event_id, occurred_at,
         timer_id, campaign, until, because_of, effects, place)
    ORDER BY place
    ON CONFLICT (decision_id) DO NOTHING
    """
)
_OF_CUSTOMER = text(
    """
    SELECT decision_id::text AS decision_id, customer_id, decided_at, outcome, reason, order_id, event_type, source,
           event_id, occurred_at, timer_id::text AS timer_id, campaign, until, because_of, effects::text AS effects,
           position
    FROM decisions
    WHERE customer_id = :customer_id AND position < :before
    ORDER BY position DESC
    LIMIT :limit
    """
)


@dataclass(frozen=True, slots=True)
class Page:
    """``following`` is the position to read on before; None at the end."""

    decisions: Sequence[Decision]
    following: int | None


async def known(connection: AsyncConnection, decision_ids: Sequence[str]) -> set[str]:
    """Which of these decisions were taken before."""
    rows = await connection.execute(_KNOWN, {"decision_ids": list(decision_ids)})
    return {row.decision_id for row in rows}


async def asked_about(connection: AsyncConnection, order_ids: Iterable[str]) -> set[tuple[str, str]]:
    """The (order id, campaign) that are done with: sent, or skipped for good."""
    rows = await connection.execute(_FINAL, {"order_ids": list(order_ids)})
    return {(row.order_id, row.campaign) for row in rows}


async def put(connection: AsyncConnection, decisions: Sequence[Decision]) -> None:
    """Adds to the log, in this order."""
    if decisions:
        await connection.execute(
            _PUT,
            {
                "decision_ids": [decision.decision_id for decision in decisions],
                "customer_ids": [decision.customer_id for decision in decisions],
                "decided_ats": [decision.decided_at for decision in decisions],
                "outcomes": [decision.outcome for decision in decisions],
                "reasons": [decision.reason for decision in decisions],
                "order_ids": [decision.order_id for decision in decisions],
                "event_types": [decision.event_type for decision in decisions],
                "sources": [decision.source for decision in decisions],
                "event_ids": [decision.event_id for decision in decisions],
                "occurred_ats": [decision.occurred_at for decision in decisions],
                "timer_ids": [decision.timer_id for decision in decisions],
                "campaigns": [decision.campaign for decision in decisions],
                "untils": [decision.until for decision in decisions],
                "because_ofs": [decision.because_of for decision in decisions],
                "effects": [_effects(decision.effects) for decision in decisions],
            },
        )


async def of_customer(connection: AsyncConnection, customer_id: str, *, before: int | None, limit: int) -> Page:
    """The decisions about a customer, newest first, older than position ``before``."""
    found = await connection.execute(
        _OF_CUSTOMER, {"customer_id": customer_id, "before": 2**62 if before is None else before, "limit": limit + 1}
    )
    rows = found.mappings().all()
    shown = rows[:limit]
    return Page([_decision(row) for row in shown], shown[-1]["position"] if len(rows) > limit else None)


def _effects(effects: Sequence[Effect]) -> str | None:
    return orjson.dumps(list(effects)).decode() if effects else None


def _decision(row: RowMapping) -> Decision:
    values = dict(row)
    del values["position"]
    written = values.pop("effects")
    effects = [] if written is None else orjson.loads(written)
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
    )
