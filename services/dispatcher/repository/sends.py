"""The ledger of what was sent."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.dispatcher.domain.policy.situation import PastSend
from shared.contracts.sends import SurveySent

_HISTORY = text(
    """
    SELECT customer_id, campaign, order_id, sent_at
    FROM sends WHERE customer_id = ANY(CAST(:customer_ids AS text[])) AND sent_at > :since
    """
)
_OF_TIMERS = text("SELECT timer_id::text AS timer_id FROM sends WHERE timer_id = ANY(CAST(:timer_ids AS uuid[]))")
_PUT = text(
    """
    INSERT INTO sends
        (send_id, timer_id, campaign, campaign_version, customer_id, order_id, channel, due_at, sent_at, expires_at)
    SELECT * FROM unnest(
        CAST(:send_ids AS uuid[]), CAST(:timer_ids AS uuid[]), CAST(:campaigns AS text[]),
        CAST(:campaign_versions AS integer[]), CAST(:customer_ids AS text[]), CAST(:order_ids AS text[]),
        CAST(:channels AS text[]), CAST(:due_ats AS timestamptz[]), CAST(:sent_ats AS timestamptz[]),
        CAST(:expires_ats AS timestamptz[])
    )
    """
)


async def history(
    connection: AsyncConnection, customer_ids: Sequence[str], since: datetime
) -> dict[str, list[PastSend]]:
    """What each customer was sent after ``since``. Read it under the lock on the customer."""
    found: dict[str, list[PastSend]] = {}
    for row in await connection.execute(_HISTORY, {"customer_ids": list(customer_ids), "since": since}):
        found.setdefault(row.customer_id, []).append(PastSend(row.campaign, row.order_id, row.sent_at))
    return found


async def of_timers(connection: AsyncConnection, timer_ids: Sequence[str]) -> set[str]:
    """Which of these timers led to a survey."""
    rows = await connection.execute(_OF_TIMERS, {"timer_ids": list(timer_ids)})
    return {row.timer_id for row in rows}


async def put(connection: AsyncConnection, sends: Sequence[tuple[str, SurveySent]]) -> None:
    """Adds (timer id, send). A send or timer that is already in the ledger fails the transaction."""
    if sends:
        await connection.execute(
            _PUT,
            {
                "send_ids": [send.send_id for _, send in sends],
                "timer_ids": [timer_id for timer_id, _ in sends],
                "campaigns": [send.campaign for _, send in sends],
                "campaign_versions": [send.campaign_version for _, send in sends],
                "customer_ids": [send.customer_id for _, send in sends],
                "order_ids": [send.order_id for _, send in sends],
                "channels": [send.channel for _, send in sends],
                "due_ats": [send.due_at for _, send in sends],
                "sent_ats": [send.sent_at for _, send in sends],
                "expires_ats": [send.expires_at for _, send in sends],
            },
        )
