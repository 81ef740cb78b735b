"""The table ``surveys``: the known facts of each survey, in any order of arrival."""

from collections.abc import Sequence
from datetime import date

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.scorer.domain.surveys import SurveyChange, SurveyFacts
from services.scorer.repository.arrays import ArrayColumns
from shared.persistence.statement import Statement

_COLUMNS = ArrayColumns(
    key="uuid",
    known_on="date",
    campaign_id="integer",
    sent_on="date",
    accepted="boolean",
    failed="boolean",
    answered="boolean",
    segment_ids="integer[]",
)


def _delivered(row: str) -> str:
    """Whether ``row`` counts as delivered, by the rule of ``domain/surveys.py``; false if there is no such row."""
    return f"({row}.sent_on IS NOT NULL AND {row}.accepted AND NOT {row}.failed)"


def _answered(row: str) -> str:
    """Whether ``row`` counts as answered, by the same rule."""
    return f"({_delivered(row)} AND {row}.answered)"


# Returns the rows that now count as delivered or answered with +1, and those that no longer do with −1. They are
# written in the order of their keys, so that processes that write the same ones may wait, but never deadlock.
_WRITE = Statement(
    f"""
    WITH written AS (
        INSERT INTO surveys AS survey ({_COLUMNS.names})
        SELECT {_COLUMNS.values}
        FROM {_COLUMNS.given}
        ORDER BY key
        ON CONFLICT (key) DO UPDATE SET
            campaign_id = COALESCE(survey.campaign_id, excluded.campaign_id),
            sent_on = COALESCE(survey.sent_on, excluded.sent_on),
            accepted = survey.accepted OR excluded.accepted,
            failed = survey.failed OR excluded.failed,
            answered = survey.answered OR excluded.answered,
            segment_ids = COALESCE(survey.segment_ids, excluded.segment_ids)
        WHERE (survey.sent_on IS NULL AND excluded.sent_on IS NOT NULL)
           OR (excluded.accepted AND NOT survey.accepted)
           OR (excluded.failed AND NOT survey.failed)
           OR (excluded.answered AND NOT survey.answered)
        RETURNING
            new.campaign_id AS campaign_id, new.sent_on AS sent_on, new.segment_ids AS segment_ids,
            CAST({_delivered("new")} AS integer) - CAST({_delivered("old")} AS integer) AS delivered,
            CAST({_answered("new")} AS integer) - CAST({_answered("old")} AS integer) AS answered
    )
    SELECT campaign_id, sent_on, segment_ids, delivered, answered FROM written WHERE delivered <> 0 OR answered <> 0
    """  # noqa: S608  # composed of column names, never values
)
_FORGET = text("DELETE FROM surveys WHERE known_on < :day")


async def write(connection: AsyncConnection, facts: Sequence[SurveyFacts]) -> list[SurveyChange]:
    """Adds facts: at least one, each about another survey; known facts are a no-op."""
    rows = await _WRITE.rows(connection, _COLUMNS.parameters(facts))
    return [
        SurveyChange(
            campaign_id=row.campaign_id,
            sent_on=row.sent_on,
            segment_ids=row.segment_ids,
            delivered=row.delivered,
            answered=row.answered,
        )
        for row in rows
    ]


async def forget(connection: AsyncConnection, *, before: date) -> None:
    """Deletes rows kept only to match sends, deliveries and answers, once no more are expected. Counts are kept."""
    await connection.execute(_FORGET, {"day": before})
