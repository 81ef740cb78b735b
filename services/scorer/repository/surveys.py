"""The table ``surveys``: what is known of each survey, in whatever order it becomes known."""

from collections.abc import Sequence
from datetime import date

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.scorer.domain.surveys import DeliveredChange, SurveyFacts
from services.scorer.repository.arrays import array_text

# The rows whose three facts have just become complete, or are no longer so, come back with +1 or −1.
_WRITE = text(
    """
    WITH written AS (
        INSERT INTO surveys AS survey (key, known_on, campaign_id, sent_on, accepted, failed, segment_ids)
        SELECT key, known_on, campaign_id, sent_on, accepted, failed, CAST(segment_ids AS integer[])
        FROM unnest(
            CAST(:keys AS uuid[]), CAST(:known_on AS date[]), CAST(:campaign_ids AS integer[]),
            CAST(:sent_on AS date[]), CAST(:accepted AS boolean[]), CAST(:failed AS boolean[]),
            CAST(:segment_ids AS text[])
        ) AS given (key, known_on, campaign_id, sent_on, accepted, failed, segment_ids)
        ON CONFLICT (key) DO UPDATE SET
            campaign_id = COALESCE(survey.campaign_id, excluded.campaign_id),
            sent_on = COALESCE(survey.sent_on, excluded.sent_on),
            accepted = survey.accepted OR excluded.accepted,
            failed = survey.failed OR excluded.failed,
            segment_ids = COALESCE(survey.segment_ids, excluded.segment_ids)
        WHERE (survey.sent_on IS NULL AND excluded.sent_on IS NOT NULL)
           OR (excluded.accepted AND NOT survey.accepted)
           OR (excluded.failed AND NOT survey.failed)
        RETURNING
            new.campaign_id AS campaign_id, new.sent_on AS sent_on, new.segment_ids AS segment_ids,
            CAST(new.sent_on IS NOT NULL AND new.accepted AND NOT new.failed AS integer)
            - CAST(COALESCE(old.sent_on IS NOT NULL AND old.accepted AND NOT old.failed, false) AS integer) AS delivered
    )
    SELECT campaign_id, sent_on, segment_ids, delivered FROM written WHERE delivered <> 0
    """
)
_FORGET = text("DELETE FROM surveys WHERE known_on < :day")


async def write(connection: AsyncConnection, facts: Sequence[SurveyFacts]) -> list[DeliveredChange]:
    """Adds facts, at least one, ascending by key, each key once; what is known already changes nothing."""
    keys, known_on, campaign_ids, sent_on, accepted, failed, segment_ids = zip(*facts, strict=True)
    rows = await connection.execute(
        _WRITE,
        {
            "keys": list(keys),
            "known_on": list(known_on),
            "campaign_ids": list(campaign_ids),
            "sent_on": list(sent_on),
            "accepted": list(accepted),
            "failed": list(failed),
            "segment_ids": [array_text(segments) for segments in segment_ids],
        },
    )
    return [DeliveredChange(row.campaign_id, row.sent_on, row.segment_ids, row.delivered) for row in rows]


async def forget(connection: AsyncConnection, *, before: date) -> None:
    """Drops what is only kept to match deliveries with sends, once neither can come any more. Counts stay."""
    await connection.execute(_FORGET, {"day": before})
