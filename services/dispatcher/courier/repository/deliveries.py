"""The table of deliveries, in the dispatcher's schema. Every statement handles any number of rows.

Leases and pauses are real time, read from the database's clock, the only one all couriers share.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncConnection

from services.dispatcher.courier.domain.deliveries import (
    UNKNOWN_OUTCOME,
    EndedDelivery,
    Ending,
    NewDelivery,
    QueuedDelivery,
    Retry,
    UnresolvedDelivery,
)
from shared.contracts.sends import SurveySent
from shared.persistence.columns import Columns
from shared.persistence.planner import index_walk
from shared.persistence.statement import Statement
from shared.persistence.stored import read_stored
from shared.watermark import First

_NEW = Columns(
    send_id="text",
    message_id="text",
    campaign="text",
    expires_at="timestamptz",
    customer_id="text",
    survey="jsonb",
    traceparent="text",
)
_ENDING = Columns(send_id="text", state="text", reason="text")
_RETRY = Columns(send_id="text", reason="text", seconds="float8", tries="integer")
# A duplicate survey is the same delivery, whatever its state.
_QUEUE = Statement(
    f"""
    INSERT INTO deliveries ({_NEW.names})
    SELECT {_NEW.values} FROM {_NEW.given}
    ORDER BY send_id
    ON CONFLICT (send_id) DO NOTHING
    """  # noqa: S608  # composed of column names, never values
)

_FIRST_QUEUED = Statement(
    """
    SELECT now() AS now, (
        SELECT available_at
        FROM deliveries
        WHERE state = 'queued' AND available_at >= :since AND NOT survey->>'channel' = ANY(CAST(:others AS text[]))
        ORDER BY available_at
        LIMIT 1
    ) AS first
    """
)

_FIRST_TRANSMITTING = Statement(
    """
    SELECT now() AS now, (
        SELECT available_at
        FROM deliveries
        WHERE state = 'transmitting' AND available_at >= :since AND survey->>'channel' = :channel
        ORDER BY available_at
        LIMIT 1
    ) AS first
    """
)

_TAKE = Statement(
    """
    SELECT send_id, CAST(survey AS text) AS survey, message_id, attempts, available_at
    FROM deliveries
    WHERE state = 'queued' AND available_at >= :since AND available_at <= now()
      AND NOT survey->>'channel' = ANY(CAST(:others AS text[]))
    ORDER BY available_at
    LIMIT :limit
    FOR UPDATE SKIP LOCKED
    """
)

# Claimed in the transaction that took them: after its commit, only a receipt can tell the outcome.
_BEGIN = Statement(
    """
    UPDATE deliveries
    SET state = 'transmitting', claim = :claim, available_at = clock_timestamp() + make_interval(secs => :lease)
    WHERE send_id = ANY(CAST(:send_ids AS text[]))
    """
)

# The claim is the fence: a courier that stalled for longer than its lease changes nothing.
_END = Statement(
    f"""
    UPDATE deliveries
    SET state = given.state, reason = given.reason, ended_at = :now, claim = NULL, customer_id = NULL, survey = NULL
    FROM {_ENDING.given}
    WHERE deliveries.send_id = given.send_id
      AND deliveries.state IN ('queued', 'transmitting')
      AND deliveries.claim IS NOT DISTINCT FROM CAST(:claim AS uuid)
    RETURNING deliveries.send_id, deliveries.state, deliveries.reason, deliveries.campaign, deliveries.traceparent
    """  # noqa: S608  # composed of column names, never values
)

# That a message was resent without a receipt is kept until its end, so that it is not done twice.
_PUT_OFF = Statement(
    f"""
    UPDATE deliveries
    SET state = 'queued', claim = NULL, attempts = attempts + given.tries,
        reason = CASE deliveries.reason WHEN '{UNKNOWN_OUTCOME}' THEN deliveries.reason ELSE given.reason END,
        available_at = clock_timestamp() + make_interval(secs => given.seconds)
    FROM {_RETRY.given}
    WHERE deliveries.send_id = given.send_id AND state = 'transmitting' AND claim = :claim
    """  # noqa: S608  # names of columns and a constant, never values
)

# They stay in transmission, unclaimed, until they are checked again.
_LEAVE = Statement(
    """
    UPDATE deliveries
    SET claim = NULL, available_at = clock_timestamp() + make_interval(secs => :seconds)
    WHERE send_id = ANY(CAST(:send_ids AS text[])) AND state = 'transmitting' AND claim = :claim
    """
)

_TAKE_UNRESOLVED = Statement(
    f"""
    WITH ended AS (
        SELECT send_id
        FROM deliveries
        WHERE state = 'transmitting' AND available_at >= :since AND available_at <= now()
          AND survey->>'channel' = :channel
        ORDER BY available_at
        LIMIT :limit
        FOR UPDATE SKIP LOCKED
    )
    UPDATE deliveries
    SET claim = :claim, available_at = clock_timestamp() + make_interval(secs => :lease)
    FROM ended
    WHERE deliveries.send_id = ended.send_id
    RETURNING deliveries.send_id, message_id, reason IS NOT DISTINCT FROM '{UNKNOWN_OUTCOME}' AS resent
    """  # noqa: S608  # a constant, never a value
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """Surveys taken from the queue; the send ids of those among them that cannot be read; the latest time of any."""

    queued: Sequence[QueuedDelivery]
    unreadable: Sequence[str]
    reached: datetime | None


async def queue(connection: AsyncConnection, deliveries: Sequence[NewDelivery]) -> None:
    """Queues the surveys; those already known are skipped."""
    rows = [
        {
            "send_id": delivery.survey.send_id,
            "message_id": delivery.message_id,
            "campaign": delivery.survey.campaign,
            "expires_at": delivery.survey.expires_at,
            "customer_id": delivery.survey.customer_id,
            "survey": delivery.survey.model_dump_json(exclude_none=True),
            "traceparent": delivery.traceparent,
        }
        for delivery in deliveries
    ]
    await _QUEUE.changes(connection, _NEW.parameters(rows))


async def first_queued(connection: AsyncConnection, others: Collection[str], *, since: datetime) -> First:
    """The first queued survey available from ``since`` on, except those of the ``others`` channels."""
    return await _first(_FIRST_QUEUED, connection, {"others": list(others), "since": since})


async def first_transmitting(connection: AsyncConnection, channel: str, *, since: datetime) -> First:
    """The first message of ``channel`` in transmission whose lease ends from ``since`` on."""
    return await _first(_FIRST_TRANSMITTING, connection, {"channel": channel, "since": since})


async def _first(statement: Statement, connection: AsyncConnection, values: Mapping[str, object]) -> First:
    row = await statement.row(connection, values)
    assert row is not None
    return First(row.first, row.now)


async def take(connection: AsyncConnection, limit: int, others: Collection[str], *, since: datetime) -> Taken:
    """Up to ``limit`` due surveys, available from ``since`` on, except those of the ``others`` channels, oldest first.
    They are locked until the transaction ends."""
    queued: list[QueuedDelivery] = []
    unreadable: list[str] = []
    async with index_walk(connection):
        rows = await _TAKE.rows(connection, {"limit": limit, "others": list(others), "since": since})
    for row in rows:
        try:
            survey = read_stored(SurveySent, row.survey)
        except ValidationError:
            unreadable.append(row.send_id)
        else:
            queued.append(QueuedDelivery(survey, row.message_id, row.attempts))
    return Taken(queued=queued, unreadable=unreadable, reached=rows[-1].available_at if rows else None)


async def begin(connection: AsyncConnection, claim: UUID, send_ids: Sequence[str], lease: float) -> None:
    """Records that these, taken by this transaction, are about to be transmitted, within ``lease`` seconds."""
    await _BEGIN.changes(connection, {"claim": claim, "send_ids": list(send_ids), "lease": lease})


async def end(
    connection: AsyncConnection, claim: UUID | None, endings: Sequence[Ending], now: datetime
) -> list[EndedDelivery]:
    """Ends those still under ``claim`` (None: queued and taken), erases their personal data and returns them."""
    rows = await _END.rows(connection, {**_ENDING.attributes(endings), "claim": claim, "now": now})
    return [
        EndedDelivery(
            ending=Ending(row.send_id, row.state, reason=row.reason), campaign=row.campaign, traceparent=row.traceparent
        )
        for row in rows
    ]


async def put_off(connection: AsyncConnection, claim: UUID, retries: Sequence[Retry]) -> None:
    """Returns those still under ``claim`` to the queue, each due after its pause."""
    await _PUT_OFF.changes(connection, {**_RETRY.attributes(retries), "claim": claim})


async def leave_unresolved(connection: AsyncConnection, claim: UUID, send_ids: Sequence[str], seconds: float) -> None:
    """Releases the claim on these; they are checked again after ``seconds``."""
    await _LEAVE.changes(connection, {"claim": claim, "send_ids": list(send_ids), "seconds": seconds})


async def take_unresolved(
    connection: AsyncConnection, claim: UUID, channel: str, *, since: datetime, limit: int, lease: float
) -> Mapping[str, UnresolvedDelivery]:
    """Claims, for ``lease`` seconds, messages of ``channel`` whose lease ended in transmission, from ``since`` on; by
    send id."""
    wanted = {"claim": claim, "channel": channel, "since": since, "limit": limit, "lease": lease}
    async with index_walk(connection):
        rows = await _TAKE_UNRESOLVED.rows(connection, wanted)
    return {row.send_id: UnresolvedDelivery(row.message_id, row.resent) for row in rows}
