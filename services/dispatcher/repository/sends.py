"""The ledger of sent surveys."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from services.dispatcher.domain.policy.situation import PastSend
from shared.contracts.sends import SurveySent
from shared.persistence.columns import Columns
from shared.persistence.statement import Statement

_ROW = Columns(
    send_id="uuid",
    timer_id="uuid",
    campaign="text",
    campaign_version="integer",
    customer_id="text",
    order_id="text",
    channel="text",
    due_at="timestamptz",
    sent_at="timestamptz",
    expires_at="timestamptz",
)
_HISTORY = Statement(
    """
    SELECT sends.customer_id, sends.campaign, sends.order_id, sends.sent_at
    FROM sends LEFT JOIN deliveries ON deliveries.send_id = sends.send_id::text
    WHERE sends.customer_id = ANY(CAST(:customer_ids AS text[])) AND sends.sent_at > :since
      AND (deliveries.state IS NULL OR deliveries.state NOT IN ('bounced', 'failed'))
    """
)
_OF_TIMERS = Statement("SELECT timer_id::text AS timer_id FROM sends WHERE timer_id = ANY(CAST(:timer_ids AS uuid[]))")
_PUT = Statement(
    f"INSERT INTO sends ({_ROW.names}) SELECT {_ROW.values} FROM {_ROW.given}"  # noqa: S608  # composed of column names, never values
)


async def history(
    connection: AsyncConnection, customer_ids: Sequence[str], since: datetime
) -> dict[str, list[PastSend]]:
    """What each customer was sent after ``since``, and may have arrived. To be read under the lock on the customer."""
    found: dict[str, list[PastSend]] = {}
    for row in await _HISTORY.rows(connection, {"customer_ids": list(customer_ids), "since": since}):
        found.setdefault(row.customer_id, []).append(
            PastSend(campaign=row.campaign, order_id=row.order_id, sent_at=row.sent_at)
        )
    return found


async def of_timers(connection: AsyncConnection, timer_ids: Sequence[str]) -> set[str]:
    """Which of these timers led to a survey."""
    rows = await _OF_TIMERS.rows(connection, {"timer_ids": list(timer_ids)})
    return {row.timer_id for row in rows}


async def put(connection: AsyncConnection, sends: Sequence[tuple[str, SurveySent]]) -> None:
    """Appends (timer id, send). A duplicate send or timer fails the transaction."""
    if sends:
        rows = ({**dict(send), "timer_id": timer_id} for timer_id, send in sends)
        await _PUT.changes(connection, _ROW.parameters(rows))
