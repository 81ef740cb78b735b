"""The courier's SQL, on the dispatcher's schema. Every statement takes any number of rows.

Leases and pauses are real time and taken from the database's clock, the only one that all couriers share.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.dispatcher.courier.domain.deliveries import Ending, Waiting
from shared.contracts.sends import SurveySent

# A survey that comes again is the same delivery, whatever has become of it.
_QUEUE = text(
    """
    INSERT INTO deliveries (send_id, message_id, campaign, expires_at, customer_id, survey, traceparent)
    SELECT send_id, message_id, campaign, expires_at, customer_id, CAST(survey AS jsonb), traceparent
    FROM unnest(CAST(:send_ids AS text[]), CAST(:message_ids AS text[]), CAST(:campaigns AS text[]),
                CAST(:expire AS timestamptz[]), CAST(:customer_ids AS text[]), CAST(:surveys AS text[]),
                CAST(:traceparents AS text[]))
         AS sent (send_id, message_id, campaign, expires_at, customer_id, survey, traceparent)
    ORDER BY send_id
    ON CONFLICT (send_id) DO NOTHING
    """
)

_ANYTHING_DUE = text(
    """
    SELECT available_at <= now() FROM deliveries WHERE state = 'queued' ORDER BY available_at LIMIT 1
    """
)

_TAKE = text(
    """
    SELECT CAST(survey AS text) AS survey, message_id, attempts
    FROM deliveries
    WHERE state = 'queued' AND available_at <= now()
    ORDER BY available_at
    LIMIT :limit
    FOR UPDATE SKIP LOCKED
    """
)

# Claimed in the transaction that took them: from its commit on, only a receipt tells what became of them.
_BEGIN = text(
    """
    UPDATE deliveries
    SET state = 'transmitting', claim = :claim, available_at = clock_timestamp() + make_interval(secs => :lease)
    WHERE send_id = ANY(CAST(:send_ids AS text[]))
    """
)

# The claim is the fence: whoever was away for longer than the lease changes nothing.
_END = text(
    """
    UPDATE deliveries
    SET state = ending.state, reason = ending.reason, ended_at = :now, claim = NULL, customer_id = NULL, survey = NULL
    FROM unnest(CAST(:send_ids AS text[]), CAST(:states AS text[]), CAST(:reasons AS text[]))
         AS ending (send_id, state, reason)
    WHERE deliveries.send_id = ending.send_id
      AND deliveries.state IN ('queued', 'transmitting')
      AND deliveries.claim IS NOT DISTINCT FROM CAST(:claim AS uuid)
    RETURNING deliveries.send_id, deliveries.state, deliveries.reason, deliveries.campaign, deliveries.traceparent
    """
)

# That a mail was resent blindly stays known until its end: it is not done twice.
_PUT_OFF = text(
    """
    UPDATE deliveries
    SET state = 'queued', claim = NULL, attempts = attempts + later.tries,
        reason = CASE deliveries.reason WHEN 'unknown_outcome' THEN deliveries.reason ELSE later.reason END,
        available_at = clock_timestamp() + make_interval(secs => later.seconds)
    FROM unnest(CAST(:send_ids AS text[]), CAST(:reasons AS text[]), CAST(:seconds AS float8[]),
                CAST(:tries AS integer[])) AS later (send_id, reason, seconds, tries)
    WHERE deliveries.send_id = later.send_id AND state = 'transmitting' AND claim = :claim
    """
)

# They stay in transmission, nobody's, until it is their turn to be asked about.
_LEAVE = text(
    """
    UPDATE deliveries
    SET claim = NULL, available_at = clock_timestamp() + make_interval(secs => :seconds)
    WHERE send_id = ANY(CAST(:send_ids AS text[])) AND state = 'transmitting' AND claim = :claim
    """
)

_TAKE_UNKNOWN = text(
    """
    UPDATE deliveries
    SET claim = :claim, available_at = clock_timestamp() + make_interval(secs => :lease)
    WHERE send_id IN (
        SELECT send_id
        FROM deliveries
        WHERE state = 'transmitting' AND available_at <= now()
        ORDER BY available_at
        LIMIT :limit
        FOR UPDATE SKIP LOCKED
    )
    RETURNING send_id, message_id, reason IS NOT DISTINCT FROM 'unknown_outcome' AS resent
    """
)


@dataclass(frozen=True, slots=True)
class Sent:
    """A survey to carry, as it comes from ``surveys.sends``."""

    survey: SurveySent
    message_id: str
    traceparent: str | None


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A mail of which nobody knows whether it arrived; ``resent`` once already, without anybody having been asked."""

    message_id: str
    resent: bool


@dataclass(frozen=True, slots=True)
class Ended:
    """A delivery that has just ended, with what its event needs."""

    ending: Ending
    campaign: str
    traceparent: str | None


@dataclass(frozen=True, slots=True)
class Later:
    """A mail to try again after ``seconds`` (real time); ``tries`` is 0 when the mail itself was not tried."""

    send_id: str
    reason: str | None
    seconds: float
    tries: int


async def queue(connection: AsyncConnection, surveys: Sequence[Sent]) -> None:
    """Adds the surveys that are not known yet."""
    await connection.execute(
        _QUEUE,
        {
            "send_ids": [sent.survey.send_id for sent in surveys],
            "message_ids": [sent.message_id for sent in surveys],
            "campaigns": [sent.survey.campaign for sent in surveys],
            "expire": [sent.survey.expires_at for sent in surveys],
            "customer_ids": [sent.survey.customer_id for sent in surveys],
            "surveys": [sent.survey.model_dump_json(exclude_none=True) for sent in surveys],
            "traceparents": [sent.traceparent for sent in surveys],
        },
    )


async def anything_due(connection: AsyncConnection) -> bool:
    """Whether the turn of any survey has come."""
    return bool((await connection.execute(_ANYTHING_DUE)).scalar_one_or_none())


async def take(connection: AsyncConnection, limit: int) -> list[Waiting]:
    """Up to ``limit`` surveys whose turn it is, longest waiting first, locked until the transaction ends."""
    rows = await connection.execute(_TAKE, {"limit": limit})
    # A newer version's courier may have queued it, with fields of its own.
    return [
        Waiting(SurveySent.model_validate_json(row.survey, extra="ignore"), row.message_id, row.attempts)
        for row in rows
    ]


async def begin(connection: AsyncConnection, claim: UUID, send_ids: Sequence[str], lease: float) -> None:
    """Notes that these, which the transaction has taken, are about to be transmitted, within ``lease`` seconds."""
    await connection.execute(_BEGIN, {"claim": claim, "send_ids": list(send_ids), "lease": lease})


async def end(connection: AsyncConnection, claim: UUID | None, endings: Sequence[Ending], now: datetime) -> list[Ended]:
    """Ends those still under ``claim`` (None: queued and taken) and empties them of personal data; gives them back."""
    rows = await connection.execute(
        _END,
        {
            "claim": claim,
            "send_ids": [ending.send_id for ending in endings],
            "states": [ending.state for ending in endings],
            "reasons": [ending.reason for ending in endings],
            "now": now,
        },
    )
    return [Ended(Ending(row.send_id, row.state, row.reason), row.campaign, row.traceparent) for row in rows]


async def put_off(connection: AsyncConnection, claim: UUID, later: Sequence[Later]) -> None:
    """Back into the queue, for later."""
    await connection.execute(
        _PUT_OFF,
        {
            "claim": claim,
            "send_ids": [each.send_id for each in later],
            "reasons": [each.reason for each in later],
            "seconds": [each.seconds for each in later],
            "tries": [each.tries for each in later],
        },
    )


async def leave_unknown(connection: AsyncConnection, claim: UUID, send_ids: Sequence[str], seconds: float) -> None:
    """Their outcome is not known; they are asked about in ``seconds``."""
    await connection.execute(_LEAVE, {"claim": claim, "send_ids": list(send_ids), "seconds": seconds})


async def take_unknown(connection: AsyncConnection, claim: UUID, limit: int, lease: float) -> Mapping[str, Unanswered]:
    """Takes over mails whose lease has run out in transmission, by send id."""
    rows = await connection.execute(_TAKE_UNKNOWN, {"claim": claim, "limit": limit, "lease": lease})
    return {row.send_id: Unanswered(row.message_id, row.resent) for row in rows}
