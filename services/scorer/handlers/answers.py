"""What the scorer does with a batch of each topic: fold it, write it in one statement, add the difference to the days.

An answer is stored at its highest revision. What it counted before is taken away and what it counts now is added, in
the same transaction, so the counts of the days are the sum over the stored answers after every commit, whatever comes
twice, late, or in another process at the same time.
"""

from collections.abc import Sequence
from datetime import date
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.scorer.domain.tally import Tally, delivered_place, key_of, newest, place
from services.scorer.domain.windows import day_of
from services.scorer.repository import comments
from services.scorer.repository import day_counts as counting
from services.scorer.repository.comments import NewComment
from services.scorer.repository.names import NO_CAMPAIGN, Combination, Names
from shared.contracts import deliveries, sends
from shared.contracts.answers import Answer, AnswerErased
from shared.contracts.cloudevents import Message
from shared.contracts.deliveries import Delivery
from shared.contracts.sends import SurveySent

_REACHED = (deliveries.ACCEPTED, deliveries.DELIVERED)
_NOT_REACHED = (deliveries.BOUNCED, deliveries.FAILED)


class Handlers:
    """``zone`` is where a day begins and ends."""

    def __init__(self, engine: AsyncEngine, zone: ZoneInfo, comments_kept: int) -> None:
        self._names = Names(engine)
        self._zone = zone
        self._comments_kept = comments_kept

    async def answers(self, connection: AsyncConnection, messages: Sequence[Message]) -> None:
        held = newest(message.body for message in messages)  # type: ignore[misc]  # the topic carries nothing else
        ordered = sorted((key_of(answer_id), body) for answer_id, body in held.items())
        given = [(key, body) for key, body in ordered if isinstance(body, Answer)]
        campaign_ids = await self._names.campaigns([body.campaign or NO_CAMPAIGN for _, body in given])
        combinations = await self._names.combinations([body.segments for _, body in given])
        batch = _AnswerBatch(self._zone)
        numbers = zip(campaign_ids, combinations, strict=True)
        for key, body in ordered:
            if isinstance(body, Answer):
                batch.take(key, body, *next(numbers))
            else:
                batch.take_erased(key, body)
        written = await counting.write_answers(connection, len(ordered), batch.columns())

        tally = Tally()
        tally.add(batch.places, batch.segments)
        if written.keys is not None:
            batch.take_back(tally, written.keys)
        counted_before = [old for old in written.replaced if old.score is not None]
        tally.remove(
            [
                place(old.campaign_id, old.day, old.score, old.surveyed)  # type: ignore[arg-type]  # all or none
                for old in counted_before
            ],
            [old.segment_ids or () for old in counted_before],
        )
        await counting.add_to_days(connection, tally.changes())
        await self._keep_comments(connection, batch, written)

    async def _keep_comments(
        self, connection: AsyncConnection, batch: "_AnswerBatch", written: counting.Written
    ) -> None:
        await comments.remove(connection, [old.key for old in written.replaced])
        if self._comments_kept:
            await comments.add(
                connection, [new for new in batch.comments if written.keys is None or new.key in written.keys]
            )

    async def sends(self, connection: AsyncConnection, messages: Sequence[Message]) -> None:
        """Which segments a survey counts in. A reminder is the same survey and says nothing new."""
        sent: dict[str, SurveySent] = {}
        for message in messages:
            if message.type == sends.SENT and isinstance(message.body, SurveySent):
                sent.setdefault(key_of(message.body.send_id), message.body)
        if not sent:
            return
        keys = sorted(sent)
        bodies = [sent[key] for key in keys]
        days = [day_of(body.sent_at, self._zone) for body in bodies]
        combinations = await self._names.combinations([body.segments for body in bodies])
        await self._count_delivered(
            connection,
            {
                "keys": keys,
                "known_on": days,
                "campaign_ids": await self._names.campaigns([body.campaign for body in bodies]),
                "sent_on": days,
                "accepted": [False] * len(keys),
                "failed": [False] * len(keys),
                "segment_ids": [array for _, array in combinations],
            },
        )

    async def deliveries(self, connection: AsyncConnection, messages: Sequence[Message]) -> None:
        """Whether a survey reached anybody. Opened and clicked say nothing: machines do both."""
        reached: dict[str, bool] = {}
        failed: dict[str, bool] = {}
        known_on: dict[str, date] = {}
        for message in messages:
            if isinstance(message.body, Delivery) and message.type in (*_REACHED, *_NOT_REACHED):
                key = key_of(message.body.send_id)
                reached[key] = reached.get(key, False) or message.type in _REACHED
                failed[key] = failed.get(key, False) or message.type in _NOT_REACHED
                known_on.setdefault(key, day_of(message.body.occurred_at, self._zone))
        keys = sorted(reached)
        if not keys:
            return
        nothing = [None] * len(keys)
        await self._count_delivered(
            connection,
            {
                "keys": keys,
                "known_on": [known_on[key] for key in keys],
                "campaign_ids": nothing,
                "sent_on": nothing,
                "accepted": [reached[key] for key in keys],
                "failed": [failed[key] for key in keys],
                "segment_ids": nothing,
            },
        )

    async def _count_delivered(self, connection: AsyncConnection, columns: dict[str, Sequence[object]]) -> None:
        changed = await counting.write_surveys(connection, columns)
        tally = Tally()
        for count, change in ((1, tally.add), (-1, tally.remove)):
            these = [row for row in changed if row.delivered == count]
            change([delivered_place(row.campaign_id, row.sent_on) for row in these], [row.segment_ids for row in these])
        await counting.add_to_days(connection, tally.changes())


class _AnswerBatch:
    """The rows of ``answers``, and beside them where each answer counts."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        self._rows: list[tuple[str, ...]] = []
        self._arrays: list[str] = []
        self._counted: list[str] = []
        self.places: list[int] = []
        self.segments: list[Sequence[int]] = []
        self.comments: list[NewComment] = []

    def take(self, key: str, body: Answer, campaign_id: int, combination: Combination) -> None:
        numbers, array = combination
        day = body.answered_at.astimezone(self._zone).date()
        surveyed = body.send_id is not None
        self._rows.append(
            (
                key,
                str(body.revision),
                str(campaign_id),
                day.isoformat(),
                str(body.score),
                "true" if surveyed else "false",
            )
        )
        self._arrays.append(array)
        self._counted.append(key)
        self.places.append(place(campaign_id, day, body.score, surveyed))
        self.segments.append(numbers)
        if body.comment and not body.comment.isspace():
            self.comments.append(NewComment(key, body.answered_at, day, campaign_id, body.score, array, body.comment))

    def take_erased(self, key: str, body: AnswerErased) -> None:
        self._rows.append((key, str(body.revision), "NULL", "NULL", "NULL", "NULL"))
        self._arrays.append("NULL")

    def columns(self) -> dict[str, str]:
        names = ("keys", "revisions", "campaign_ids", "days", "scores", "surveyed")
        columns = {
            name: counting.column(values) for name, values in zip(names, zip(*self._rows, strict=True), strict=True)
        }
        return {**columns, "segment_ids": counting.column_of_arrays(self._arrays)}

    def take_back(self, tally: Tally, written: frozenset[str]) -> None:
        """Takes out of the tally what was refused because a newer revision is stored already."""
        refused = [at for at, key in enumerate(self._counted) if key not in written]
        tally.remove([self.places[at] for at in refused], [self.segments[at] for at in refused])
