"""Counting a batch of answers: store it in one statement, add the difference to the day counts.

All in the caller's transaction, so that after every commit the day counts are the sum over the stored answers, even
with duplicates, late answers and concurrent processes.
"""

from collections.abc import Iterable
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from services.scorer.actions.names import Names
from services.scorer.domain.answers import batch_of, newest_revisions
from services.scorer.repository import answers, comments, day_counts
from shared.contracts.answers import Answer, AnswerErased


async def count_answers(
    connection: AsyncConnection,
    names: Names,
    bodies: Iterable[Answer | AnswerErased],
    *,
    zone: ZoneInfo,
    keep_comments: bool,
) -> None:
    """Days begin and end in ``zone``. Comments of replaced answers are always removed."""
    newest = newest_revisions(bodies)
    if not newest:
        return
    given = [body for _, body in newest if isinstance(body, Answer)]
    batch = batch_of(
        newest,
        campaign_ids=await names.campaigns([body.campaign for body in given]),
        segment_ids=await names.segments([body.segments for body in given]),
        zone=zone,
    )
    written = await answers.write(connection, batch.rows)
    await day_counts.add(connection, batch.changes(written))
    await comments.remove(connection, [old.key for old in written.replaced])
    if keep_comments:
        await comments.add(connection, batch.comments_of(written))
