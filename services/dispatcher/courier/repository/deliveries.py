"""The table of deliveries, in the dispatcher's schema. Every statement handles any number of rows.

Leases and pauses are real time, read from the database's clock, the only one all couriers share.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy import text
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
from shared.persistence.stored import read_stored

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
_QUEUE = text(
    f"""
    INSERT INTO deliveries ({_NEW.names})
    SELECT {_NEW.values} FROM {_NEW.given}
    ORDER BY send_id
    ON CONFLICT (send_id) DO NOTHING
    """  # noqa: S608  # composed of column names, never values
)

_ANYTHING_DUE = text(
    """
    SELECT available_at <= now()
    FROM deliveries
    WHERE state = 'queued' AND NOT survey->>'channel' = ANY(CAST(:others AS text[]))
    ORDER BY available_at
    LIMIT 1
    """
)

_TAKE = text(
    """
    SELECT send_id, CAST(survey AS text) AS survey, message_id, attempts
    FROM deliveries
    WHERE state = 'queued' AND available_at <= now() AND NOT survey->>'channel' = ANY(CAST(:others AS text[]))
    ORDER BY available_at
    LIMIT :limit
    FOR UPDATE SKIP LOCKED
    """
)

# Claimed in the transaction that took them: after its commit, only a receipt can tell the outcome.
_BEGIN = text(
    """
    UPDATE deliveries
    SET state = 'transmitting', claim = :claim, available_at = clock_timestamp() + make_interval(secs => :lease)
    WHERE send_id = ANY(CAST(:send_ids AS text[]))
    """
)

# The claim is the fence: a courier that stalled for longer than its lease changes nothing.
_END = text(
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
_PUT_OFF = text(
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
_LEAVE = text(
    """
    UPDATE deliveries
    SET claim = NULL, available_at = clock_timestamp() + make_interval(secs => :seconds)
    WHERE send_id = ANY(CAST(:send_ids AS text[])) AND state = 'transmitting' AND claim = :claim
    """
)

_TAKE_UNRESOLVED = text(
    f"""
    UPDATE deliveries
    SET claim = :claim, available_at = clock_timestamp() + make_interval(secs => :lease)
    WHERE send_id IN (
        SELECT send_id
        FROM deliveries
        WHERE state = 'transmitting' AND available_at <= now() AND survey->>'channel' = :channel
        ORDER BY available_at
        LIMIT :limit
        FOR UPDATE SKIP LOCKED
    )
    RETURNING send_id, message_id, reason IS NOT DISTINCT FROM '{UNKNOWN_OUTCOME}' AS resent
    """  # noqa: S608  # a constant, never a value
)


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
    await connection.execute(_QUEUE, _NEW.parameters(rows))


async def anything_due(connection: AsyncConnection, others: Collection[str]) -> bool:
    """Whether any queued survey is due, except those of the ``others`` channels."""
    return bool((await connection.execute(_ANYTHING_DUE, {"others": list(others)})).scalar_one_or_none())


async def take(
    connection: AsyncConnection, limit: int, others: Collection[str]
) -> tuple[list[QueuedDelivery], list[str]]:
    """Up to ``limit`` due surveys, except those of the ``others`` channels, oldest first, locked until the
    transaction ends; and the send ids of those among them that cannot be read."""
    queued: list[QueuedDelivery] = []
    unreadable: list[str] = []
    for row in await connection.execute(_TAKE, {"limit": limit, "others": list(others)}):
        try:
            survey = read_stored(SurveySent, row.survey)
        except ValidationError:
            unreadable.append(row.send_id)
        else:
            queued.append(QueuedDelivery(survey, row.message_id, row.attempts))
    return queued, unreadable


async def begin(connection: AsyncConnection, claim: UUID, send_ids: Sequence[str], lease: float) -> None:
    """Records that these, taken by this transaction, are about to be transmitted, within ``lease`` seconds."""
    await connection.execute(_BEGIN, {"claim": claim, "send_ids": list(send_ids), "lease": lease})


async def end(
    connection: AsyncConnection, claim: UUID | None, endings: Sequence[Ending], now: datetime
) -> list[EndedDelivery]:
    """Ends those still under ``claim`` (None: queued and taken), erases their personal data and returns them."""
    rows = await connection.execute(_END, {**_ENDING.attributes(endings), "claim": claim, "now": now})
    return [
        EndedDelivery(
            ending=Ending(row.send_id, row.state, reason=row.reason), campaign=row.campaign, traceparent=row.traceparent
        )
        for row in rows
    ]


async def put_off(connection: AsyncConnection, claim: UUID, retries: Sequence[Retry]) -> None:
    """Returns those still under ``claim`` to the queue, each due after its pause."""
    await connection.execute(_PUT_OFF, {**_RETRY.attributes(retries), "claim": claim})


async def leave_unresolved(connection: AsyncConnection, claim: UUID, send_ids: Sequence[str], seconds: float) -> None:
    """Releases the claim on these; they are checked again after ``seconds``."""
    await connection.execute(_LEAVE, {"claim": claim, "send_ids": list(send_ids), "seconds": seconds})


async def take_unresolved(
    connection: AsyncConnection, claim: UUID, channel: str, *, limit: int, lease: float
) -> Mapping[str, UnresolvedDelivery]:
    """Claims, for ``lease`` seconds, messages of ``channel`` whose lease ended in transmission; by send id."""
    rows = await connection.execute(
        _TAKE_UNRESOLVED, {"claim": claim, "channel": channel, "limit": limit, "lease": lease}
    )
    return {row.send_id: UnresolvedDelivery(row.message_id, row.resent) for row in rows}
