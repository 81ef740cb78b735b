"""Delivers the queued surveys of one channel, a burst at a time.

Three steps, two commits: take surveys from the queue, compose their messages and record that they are about to be
transmitted; transmit them; write the outcomes. A crash before the first commit changes nothing; between the two
commits, the outcome is unresolved (``unresolved.py``).
"""

import asyncio
import random
import time
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Generic
from uuid import UUID, uuid4

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from services.dispatcher.courier.actions import deliveries as actions
from services.dispatcher.courier.channels.channel import Channel, M
from services.dispatcher.courier.domain.deliveries import Ending, QueuedDelivery, Results, obstacle
from services.dispatcher.courier.domain.outcomes import Attempt, results_of
from services.dispatcher.courier.repository import deliveries as repository
from services.dispatcher.courier.settings import CourierSettings
from services.dispatcher.domain.campaigns import StoredCampaign
from services.dispatcher.domain.suppressions import by_channel, digests_of
from services.dispatcher.repository import campaigns as campaign_repository
from services.dispatcher.repository import customers as customer_repository
from services.dispatcher.repository import suppressions as suppression_repository
from shared import metrics
from shared.backoff import Backoff
from shared.contracts.campaigns import CampaignPublished
from shared.contracts.sends import SurveySent
from shared.runtime import Runtime
from shared.transmission import TransmissionOutcome

log = structlog.get_logger()

_FIRST_PAUSE = 0.5


class DeliverLoop(Generic[M]):
    """``others`` are the names of the other channels, whose surveys are left to their own loops. A survey for an
    unknown channel ends here, as unsupported."""

    def __init__(self, runtime: Runtime[CourierSettings], channel: Channel[M], others: Collection[str] = ()) -> None:
        self._runtime = runtime
        self._channel = channel
        self._others = others
        self._unwritten: tuple[UUID, Results] | None = None
        self._resume_at = 0.0
        self._backoff = Backoff(first=_FIRST_PAUSE, longest=runtime.settings.retry_limit_seconds)

    async def step(self) -> bool:
        """Delivers one burst. True when there may be more right away."""
        if self._unwritten is not None:
            # The database failed after the messages were sent: write their outcomes before starting anything new.
            await self._write(*self._unwritten)
        if time.monotonic() < self._resume_at:
            return False
        burst = 1 if self._backoff.failing else self._runtime.settings.courier_burst
        async with self._runtime.autocommit() as connection:
            due = await repository.anything_due(connection, self._others)
        if not due:
            await self._channel.rest()
            return False
        claim, taken_at = uuid4(), _now()
        taken, messages = await self._take(claim, burst)
        if not messages:
            await self._channel.rest()
            return taken == burst
        self._unwritten = claim, await self._transmit(taken_at, messages)
        await self._write(*self._unwritten)
        return taken == burst and not self._backoff.failing

    async def _take(self, claim: UUID, limit: int) -> tuple[int, list[tuple[QueuedDelivery, M]]]:
        """The number taken from the queue, and the deliveries with a message to transmit."""
        runtime, channel = self._runtime, self._channel
        async with runtime.transaction() as connection:
            queued = await repository.take(connection, limit, self._others)
            if not queued:
                return 0, []
            now = runtime.clock.now()
            endings: list[Ending] = []
            messages: list[tuple[QueuedDelivery, M]] = []
            for delivery, composed in await self._compose(connection, queued, now):
                if isinstance(composed, Ending):
                    endings.append(composed)
                else:
                    messages.append((delivery, composed))
            await actions.end(
                connection, runtime.outbox, None, endings, now, channel=channel.name, provider=channel.provider
            )
            send_ids = [delivery.survey.send_id for delivery, _ in messages]
            await repository.begin(connection, claim, send_ids, runtime.settings.courier_lease_seconds)
        return len(queued), messages

    async def _compose(
        self, connection: AsyncConnection, queued: Sequence[QueuedDelivery], now: datetime
    ) -> list[tuple[QueuedDelivery, M | Ending]]:
        """Each delivery with its message, or with its ending if there is none."""
        customers = await customer_repository.read(connection, {each.survey.customer_id for each in queued})
        stored = await campaign_repository.all_of_them(connection)
        digests = self._runtime.digests
        about = {
            each.survey.send_id: digests_of(each.survey.customer_id, each.survey.recipient.address, digests)
            for each in queued
        }
        listed = await suppression_repository.read(connection, {digest for each in about.values() for digest in each})
        composed: list[tuple[QueuedDelivery, M | Ending]] = []
        for delivery in queued:
            survey = delivery.survey
            customer = customers.get(survey.customer_id)
            suppressed = by_channel(listed, about[survey.send_id])
            ending = obstacle(survey, customer, suppressed, channel=self._channel.name, now=now)
            if ending is not None:
                composed.append((delivery, ending))
            else:
                campaign = self._campaign(survey, stored)
                composed.append((delivery, self._channel.compose(delivery, campaign, now)))
        return composed

    def _campaign(self, survey: SurveySent, stored: Mapping[str, StoredCampaign]) -> CampaignPublished:
        """The survey's current campaign; an unknown one falls back to our own brand."""
        known = stored.get(survey.campaign)
        if known is not None:
            return known.published()
        return CampaignPublished(
            campaign=survey.campaign, campaign_version=survey.campaign_version, brand=self._runtime.brand
        )

    async def _transmit(self, taken_at: float, messages: Sequence[tuple[QueuedDelivery, M]]) -> Results:
        settings = self._runtime.settings
        begin_before = taken_at + settings.courier_lease_seconds - self._channel.attempt_seconds

        def may_begin() -> bool:
            # After the lease, another courier may be sending this message; while shutting down, nothing new is started.
            return _now() < begin_before and not self._runtime.health.stopping

        outcomes = await asyncio.gather(*(self._channel.transmit(message, may_begin) for _, message in messages))
        self._note_availability(outcomes)
        return results_of(
            [
                Attempt(delivery.survey.send_id, delivery.attempts, outcome)
                for (delivery, _), outcome in zip(messages, outcomes, strict=True)
            ],
            first_pause=settings.courier_retry_seconds,
            longest_pause=settings.courier_retry_limit_seconds,
            chance=random.random,
        )

    def _note_availability(self, outcomes: Sequence[TransmissionOutcome]) -> None:
        """Pauses, not ready, when the server neither accepted nor rejected any of a burst; resumes once it does."""
        health, channel = self._runtime.health, self._channel
        unavailable = [each for each in outcomes if each.kind == "unavailable"]
        metrics.courier_deliveries.labels("unavailable").inc(len(unavailable))
        if not unavailable or len(unavailable) < len(outcomes):
            self._backoff.succeeded()
            health.well(channel.server)
            return
        reason = unavailable[0].reason
        pause = self._backoff.failed()
        self._resume_at = time.monotonic() + pause
        log.warning("server unavailable", server=channel.server, reason=reason, retry_in=pause)
        health.trouble(
            channel.server, sentence=f"unavailable ({reason}); check {channel.server_settings} and the server"
        )

    async def _write(self, claim: UUID, results: Results) -> None:
        await actions.write_results(
            self._runtime,
            claim,
            results,
            channel=self._channel.name,
            provider=self._channel.provider,
            check_after=self._runtime.settings.courier_lease_seconds,
        )
        self._unwritten = None
        metrics.courier_deliveries.labels("put_off").inc(sum(each.tries for each in results.retries))
        metrics.courier_deliveries.labels("unknown").inc(len(results.unresolved))


def _now() -> float:
    """Real seconds on a clock that keeps running while the process is stopped and, where supported, while the machine
    sleeps."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
