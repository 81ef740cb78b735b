"""SQL that reads a survey: a send together with its campaign and the answer given so far."""

from collections.abc import Collection
from dataclasses import fields
from datetime import datetime

import orjson
from sqlalchemy import RowMapping, TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.collector.domain.surveys import Send, Survey
from services.collector.repository.answers import stored_answer
from shared.contracts import identity
from shared.contracts.campaigns import CampaignPublished
from shared.persistence.statement import Row, Statement
from shared.persistence.stored import read_stored

# The campaign is the version the survey was sent under, or the latest known until that one has been consumed.
_SURVEY = """
    SELECT sends.send_id, sends.campaign, sends.campaign_version, sends.channel, sends.locale, sends.customer_id,
           sends.address, sends.name, sends.order_id, sends.product, sends.segments::text AS segments, sends.sent_at,
           sends.expires_at, sends.erased_at, campaign.definition::text AS definition,
           answers.revision AS answer_revision, answers.body::text AS answer_body
    FROM sends
    LEFT JOIN LATERAL (
        SELECT definition FROM campaigns
        WHERE campaigns.campaign = sends.campaign
        ORDER BY campaign_version = sends.campaign_version DESC, campaign_version DESC
        LIMIT 1
    ) AS campaign ON true
    LEFT JOIN answers ON answers.answer_id = :answer_id
    WHERE sends.send_id = :send_id
"""
_READ = text(_SURVEY)
# The share lock serialises this with an erasure of the customer.
_HOLD = text(_SURVEY + " FOR SHARE OF sends")
# Several, without their answers, which are locked by themselves. What a closed one was like is shown on its page.
_SEVERAL = """
    SELECT sends.send_id, sends.campaign, sends.campaign_version, sends.channel, sends.locale, sends.customer_id,
           sends.address, sends.name, sends.order_id, sends.product, sends.segments::text AS segments, sends.sent_at,
           sends.expires_at, sends.erased_at, campaign.definition::text AS definition
    FROM sends
    LEFT JOIN LATERAL (
        SELECT definition FROM campaigns
        WHERE campaigns.campaign = sends.campaign AND sends.expires_at < :now
        ORDER BY campaign_version = sends.campaign_version DESC, campaign_version DESC
        LIMIT 1
    ) AS campaign ON true
    WHERE sends.send_id = ANY(CAST(:send_ids AS text[]))
    ORDER BY sends.send_id
"""
_READ_SEVERAL = Statement(_SEVERAL)
_HOLD_SEVERAL_WAITING = Statement(_SEVERAL + " FOR SHARE OF sends")
_HOLD_SEVERAL_FREE = Statement(_SEVERAL + " FOR SHARE OF sends SKIP LOCKED")
_PLAIN_COLUMNS = tuple(field.name for field in fields(Send) if field.name != "segments")


async def read(connection: AsyncConnection, send_id: str) -> Survey | None:
    """The survey; None while its send has not been consumed."""
    return await _survey(connection, _READ, send_id)


async def hold(connection: AsyncConnection, send_id: str) -> Survey | None:
    """The same, locked: the customer's data cannot be erased until the transaction ends."""
    return await _survey(connection, _HOLD, send_id)


async def read_several(connection: AsyncConnection, send_ids: Collection[str], now: datetime) -> dict[str, Survey]:
    """Those of the surveys that there are, without their answers, and with the campaign of those that have closed."""
    return await _several(connection, _READ_SEVERAL, send_ids, now)


async def hold_several(
    connection: AsyncConnection, send_ids: Collection[str], now: datetime, *, wait: bool
) -> dict[str, Survey]:
    """The same, locked; without ``wait``, only those that nobody else is changing."""
    return await _several(connection, _HOLD_SEVERAL_WAITING if wait else _HOLD_SEVERAL_FREE, send_ids, now)


async def _several(
    connection: AsyncConnection, statement: Statement, send_ids: Collection[str], now: datetime
) -> dict[str, Survey]:
    rows = await statement.rows(connection, {"send_ids": sorted(send_ids), "now": now})
    return {row.send_id: Survey(_send(row), _campaign(row["definition"]), None) for row in rows}


async def _survey(connection: AsyncConnection, statement: TextClause, send_id: str) -> Survey | None:
    found = await connection.execute(statement, {"send_id": send_id, "answer_id": identity.answer_id(send_id)})
    row = found.mappings().first()
    if row is None:
        return None
    return Survey(
        _send(row),
        _campaign(row["definition"]),
        None if row["answer_revision"] is None else stored_answer(row["answer_revision"], row["answer_body"]),
    )


def _send(row: Row | RowMapping) -> Send:
    return Send(**{column: row[column] for column in _PLAIN_COLUMNS}, segments=orjson.loads(row["segments"]))


def _campaign(definition: str | None) -> CampaignPublished | None:
    return None if definition is None else read_stored(CampaignPublished, definition)
