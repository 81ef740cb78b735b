"""Publishes scores that changed: because answers came, or because a day passed and none did."""

import time
from collections.abc import Iterator
from datetime import date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from services.scorer.domain.segments import write
from services.scorer.domain.windows import day_of, days_before, days_that_moved, window_days
from services.scorer.repository import comments
from services.scorer.repository import day_counts as counting
from services.scorer.repository import scores as publication
from services.scorer.repository.reading import Sums
from services.scorer.repository.scores import ALL_CAMPAIGNS, Figures, Published, ScoreKey
from services.scorer.settings import ScorerSettings
from shared.contracts import cloudevents, identity
from shared.contracts.events import Event
from shared.contracts.scores import ANY_CAMPAIGN, UPDATED, WINDOW_DAYS, WINDOWS, ScoreUpdated, Window, score_key
from shared.contracts.topics import SCORES
from shared.messaging.records import Record
from shared.messaging.repository import outbox
from shared.nps import Counts, change, net_promoter_score
from shared.runtime import Runtime

_SEGMENTS_AT_ONCE = 25
"""A round holds the counts it takes, and batches wait for it: about 6 ms a segment with three years of days."""
_REST_OVER_WORK = 12.0
"""Publishing everything takes longer the more there is; it then rests so many times as long, and coalesces more."""
_SURVEYS_KEPT_DAYS = 90
"""Sends and deliveries are kept for 30 days in Kafka; neither comes later than this."""

NOTHING = Sums(Counts(), 0, 0)


class Publisher:
    """``publish`` is the loop's action. Every round takes its segments, computes and publishes in one transaction."""

    def __init__(self, runtime: Runtime[ScorerSettings]) -> None:
        self._runtime = runtime
        self._zone: ZoneInfo = runtime.settings.zone
        self._after = -1
        self._worked = 0.0
        self._rest_until = 0.0

    async def paced(self) -> bool:
        """``publish`` as a loop's action: at most a small share of the process's time goes into publishing."""
        started = time.monotonic()
        if started < self._rest_until:
            return False
        more = await self.publish()
        ended = time.monotonic()
        self._worked += ended - started
        if not more:
            self._rest_until, self._worked = ended + _REST_OVER_WORK * self._worked, 0.0
        return more

    async def publish(self) -> bool:
        """Publishes the next segments that changed; True when there may be more."""
        now = self._runtime.clock.now()
        today = day_of(now, self._zone)
        async with self._runtime.transaction() as connection:
            if not await publication.take_turn(connection):
                return False
            await self._begin_day(connection, today)
            segment_ids = await publication.take_changed(connection, self._after, _SEGMENTS_AT_ONCE)
            # Segments take turns, so that busy ones with low numbers do not keep the others waiting.
            more = len(segment_ids) == _SEGMENTS_AT_ONCE
            if segment_ids:
                await self._publish_segments(connection, segment_ids, today, now)
        self._after = segment_ids[-1] if more else -1
        return more

    async def tidy(self) -> bool:
        """Drops comments beyond those kept, and what is known of surveys too old to hear of again."""
        today = day_of(self._runtime.clock.now(), self._zone)
        async with self._runtime.transaction() as connection:
            await comments.keep_newest(connection, self._runtime.settings.comments_kept)
            await counting.forget_surveys(connection, date.fromordinal(today.toordinal() - _SURVEYS_KEPT_DAYS))
        return False

    async def _begin_day(self, connection: AsyncConnection, today: date) -> None:
        last_day = await publication.last_day(connection)
        if last_day == today:
            return
        if last_day is not None:
            await publication.mark_days(connection, days_that_moved(last_day, today))
        await publication.set_last_day(connection, today)

    async def _publish_segments(
        self, connection: AsyncConnection, segment_ids: list[int], today: date, now: datetime
    ) -> None:
        before = [span for window in WINDOWS if (span := days_before(window, today)) is not None]
        spans = [window_days(window, today) for window in WINDOWS] + before
        sums = await publication.sums_of_segments(connection, segment_ids, spans)
        for (segment_id, _), of_campaign in list(sums.items()):
            everything = sums.setdefault((segment_id, ALL_CAMPAIGNS), {})
            for position, some in of_campaign.items():
                everything[position] = _together(everything.get(position, NOTHING), some)
        published = await publication.published(connection, segment_ids)
        for segment_id, campaign_id, _ in published:
            # A key all of whose days left every window must still fall to nothing.
            sums.setdefault((segment_id, campaign_id), {})
        segments, campaigns = await publication.names_of(connection, segment_ids, [key[1] for key in sums])
        records: list[Record] = []
        scores: dict[ScoreKey, Published] = {}
        for (segment_id, campaign_id), by_position in sorted(sums.items()):
            campaign = ANY_CAMPAIGN if campaign_id == ALL_CAMPAIGNS else campaigns[campaign_id]
            if campaign_id != ALL_CAMPAIGNS and campaign in ("", ANY_CAMPAIGN):
                continue  # answers of no campaign are in "all together", and have no name of their own
            for window, current, previous in _windows(by_position):
                figures = self._figures(current, previous)
                key = (segment_id, campaign_id, WINDOW_DAYS[window] or 0)
                sequence, known = published.get(key, (0, ()))
                if figures == known or (not known and not any(figures[:-1])):
                    continue
                body = self._score(campaign, window, write(segments[segment_id]), now, sequence + 1, current, previous)
                record = self._record(body)
                records.append(record)
                scores[key] = Published(sequence + 1, figures, record.value.decode())
        await publication.record(connection, scores)
        await outbox.put(connection, records)

    def _figures(self, current: Sums, previous: Sums | None) -> Figures:
        """What two publications of a key are compared by."""
        now, then = current.counts, (previous or NOTHING).counts
        return (
            *(now.promoters, now.passives, now.detractors, current.surveyed, current.delivered or 0),
            *(then.promoters, then.passives, then.detractors),
            self._runtime.settings.minimum_answers,
        )

    def _score(
        self,
        campaign: str,
        window: Window,
        segment: str,
        now: datetime,
        sequence: int,
        current: Sums,
        previous: Sums | None,
    ) -> ScoreUpdated:
        counts = current.counts
        score = net_promoter_score(counts)
        difference = change(counts, previous.counts) if previous is not None else None
        return ScoreUpdated(
            campaign=campaign,
            window=window,
            segment=segment,
            at=now,
            sequence=sequence,
            nps=score.nps,
            low=score.low,
            high=score.high,
            n=counts.n,
            promoters=counts.promoters,
            passives=counts.passives,
            detractors=counts.detractors,
            held_back=counts.n < self._runtime.settings.minimum_answers,
            delivered=current.delivered,
            response_rate=current.surveyed / current.delivered if current.delivered else None,
            change=difference.points if difference else None,
            change_significant=difference.significant if difference else None,
        )

    def _record(self, body: ScoreUpdated) -> Record:
        key = score_key(body.campaign, body.window, body.segment)
        event = Event(
            topic=SCORES.name,
            key=key,
            event_id=identity.event_id(UPDATED, key, body.sequence),
            type=UPDATED,
            time=body.at,
            body=body,
        )
        headers, value = cloudevents.write(event, self._runtime.outbox.source)
        return Record(event.topic, key.encode(), value, headers)


def _windows(by_position: dict[int, Sums]) -> Iterator[tuple[Window, Sums, Sums | None]]:
    """Each window with what was counted in it and in the one before, from sums in the order of the spans above."""
    with_before = [window for window in WINDOWS if WINDOW_DAYS[window] is not None]
    for position, window in enumerate(WINDOWS):
        previous = None
        if window in with_before:
            previous = by_position.get(len(WINDOWS) + with_before.index(window), NOTHING)
        yield window, by_position.get(position, NOTHING), previous


def _together(one: Sums, other: Sums) -> Sums:
    return Sums(one.counts + other.counts, one.surveyed + other.surveyed, (one.delivered or 0) + (other.delivered or 0))
