"""Delivers the queued surveys of one channel, a burst at a time.

Three steps, two commits: take surveys from the queue, compose their messages and record that they are about to be
transmitted; transmit them; write each outcome as soon as it is certain, those that come together in one transaction. A
crash before the first commit changes nothing; between the commits, an outcome is unresolved (``unresolved.py``).

Data that cannot be read, composed or written ends only the delivery it belongs to.
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
from services.dispatcher.courier.domain.deliveries import UNUSABLE, Ending, QueuedDelivery, Results, obstacle
from services.dispatcher.courier.domain.outcomes import NOT_TAKEN, results_of
from services.dispatcher.courier.domain.refusals import POSSIBLY_ABOUT_US, Attempt, Refusals
from services.dispatcher.courier.repository import deliveries as repository
from services.dispatcher.courier.settings import CourierSettings
from services.dispatcher.domain.campaigns import StoredCampaign
from services.dispatcher.domain.customers import Customer
from services.dispatcher.domain.orders import Order
from services.dispatcher.domain.suppressions import by_channel, digests_of
from services.dispatcher.repository import campaigns as campaign_repository
from services.dispatcher.repository import customers as customer_repository
from services.dispatcher.repository import orders as order_repository
from services.dispatcher.repository import suppressions as suppression_repository
from services.dispatcher.repository.orders import UnreadableFacts
from shared import metrics
from shared.backoff import Backoff
from shared.contracts.campaigns import CampaignPublished
from shared.contracts.sends import SurveySent
from shared.runtime import Runtime
from shared.transmission import Kind, TransmissionOutcome

log = structlog.get_logger()

_FIRST_PAUSE = 0.5
_READ_WITHIN_SECONDS = 5.0
_TROUBLES: Mapping[Kind, str] = {
    "unavailable": "unavailable ({reason}); check {settings} and the server",
    "misconfigured": "refuses us ({reason}), so that surveys wait in the queue; check {settings}",
    "throttled": "asks for fewer emails ({reason}), so the courier waits; see HEARBACK_COURIER_MAILS_PER_SECOND",
    "refuses_all": "refuses everybody alike ({reason}), so that surveys wait in the queue; "
    "check {settings}, and with its operator why",
}


class UnreadableCustomer:
    """What is stored about this customer makes no sense to this version."""


class UnreadableOrder:
    """What is stored about this order makes no sense to this version."""


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
        self._refusals = Refusals(runtime.settings.courier_same_refusals)

    async def step(self) -> bool:
        """Delivers one burst. True when there may be more right away."""
        # The database failed after messages were sent: write their outcomes before starting anything new.
        await self._write_rest()
        if time.monotonic() < self._resume_at:
            return False
        burst = 1 if self._backoff.failing else self._runtime.settings.burst
        async with self._runtime.autocommit() as connection:
            due = await repository.anything_due(connection, self._others)
        if not due:
            await self._runtime.reads.note(waiting=False)
            await self._channel.rest()
            return False
        if not await self._may_send():
            return False
        claim, taken_at = uuid4(), _now()
        taken, messages = await self._take(claim, burst)
        if not messages:
            await self._channel.rest()
            return taken == burst
        await self._transmit(claim, taken_at, messages)
        await self._write_rest()
        return taken == burst and not self._backoff.failing

    async def _may_send(self) -> bool:
        """Whether the dispatcher has read, by a few seconds ago, all that could forbid a survey since its decision."""
        read = await self._runtime.reads.until()
        current = read is not None and read.age() <= _READ_WITHIN_SECONDS
        await self._runtime.reads.note(waiting=not current)
        return current

    async def _take(self, claim: UUID, limit: int) -> tuple[int, list[tuple[QueuedDelivery, M]]]:
        """The number taken from the queue, and the deliveries with a message to transmit."""
        runtime, channel = self._runtime, self._channel
        async with runtime.transaction() as connection:
            queued, unreadable = await repository.take(connection, limit, self._others)
            taken = len(queued) + len(unreadable)
            if not taken:
                return 0, []
            now = runtime.clock.now()
            endings = [_put_aside(send_id, "its survey cannot be read") for send_id in unreadable]
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
        return taken, messages

    async def _compose(
        self, connection: AsyncConnection, queued: Sequence[QueuedDelivery], now: datetime
    ) -> list[tuple[QueuedDelivery, M | Ending]]:
        """Each delivery with its message, or with its ending if there is none."""
        customers = await self._customers(connection, {each.survey.customer_id for each in queued})
        stored = await campaign_repository.all_of_them(connection)
        orders = await self._orders(connection, {each.survey.order_id for each in queued if each.survey.order_id})
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
            if isinstance(customer, UnreadableCustomer):
                composed.append((delivery, _put_aside(survey.send_id, "its customer cannot be read")))
                continue
            order = orders.get(survey.order_id or "")
            if isinstance(order, UnreadableOrder):
                composed.append((delivery, _put_aside(survey.send_id, "its order cannot be read")))
                continue
            stops = () if (campaign := stored.get(survey.campaign)) is None else campaign.campaign.stop_on
            stopped = None if order is None else order.stopped_by(stops)
            suppressed = by_channel(listed, about[survey.send_id])
            ending = obstacle(survey, customer, suppressed, stopped=stopped, channel=self._channel.name, now=now)
            if ending is not None:
                composed.append((delivery, ending))
            else:
                composed.append((delivery, self._composed(delivery, self._campaign(survey, stored), now)))
        return composed

    async def _orders(
        self, connection: AsyncConnection, order_ids: Collection[str]
    ) -> Mapping[str, Order | UnreadableOrder]:
        """Those that are known, by id."""
        try:
            return await order_repository.read(connection, order_ids)
        except UnreadableFacts:
            found: dict[str, Order | UnreadableOrder] = {}
            for order_id in order_ids:
                try:
                    found |= await order_repository.read(connection, [order_id])
                except UnreadableFacts:
                    found[order_id] = UnreadableOrder()
            return found

    async def _customers(
        self, connection: AsyncConnection, customer_ids: Collection[str]
    ) -> Mapping[str, Customer | UnreadableCustomer]:
        """Those who are known, by id."""
        try:
            return await customer_repository.read(connection, customer_ids)
        except ValueError:
            found: dict[str, Customer | UnreadableCustomer] = {}
            for customer_id in customer_ids:
                try:
                    found |= await customer_repository.read(connection, [customer_id])
                except ValueError:
                    found[customer_id] = UnreadableCustomer()
            return found

    def _composed(self, delivery: QueuedDelivery, campaign: CampaignPublished, now: datetime) -> M | Ending:
        try:
            return self._channel.compose(delivery, campaign, now)
        except Exception as error:
            # Whatever is wrong with one survey's texts, the others are sent.
            return _put_aside(delivery.survey.send_id, f"composing it failed: {type(error).__name__}")

    def _campaign(self, survey: SurveySent, stored: Mapping[str, StoredCampaign]) -> CampaignPublished:
        """The survey's current campaign; an unknown one falls back to our own brand."""
        known = stored.get(survey.campaign)
        if known is not None:
            return known.published()
        return CampaignPublished(
            campaign=survey.campaign, campaign_version=survey.campaign_version, brand=self._runtime.brand
        )

    async def _transmit(self, claim: UUID, taken_at: float, messages: Sequence[tuple[QueuedDelivery, M]]) -> None:
        settings = self._runtime.settings
        begin_before = taken_at + settings.courier_lease_seconds - self._channel.attempt_seconds

        def may_begin(in_seconds: float) -> bool:
            # After the lease, another courier may be sending this message; while shutting down, nothing new is started.
            return _now() + in_seconds < begin_before and not self._runtime.health.stopping

        burst, outcomes = self._refusals.burst(), []
        under_way = {
            asyncio.create_task(self._channel.transmit(message, may_begin)): delivery for delivery, message in messages
        }
        try:
            while under_way:
                done, _ = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
                settled: list[Attempt] = []
                for task in done:
                    delivery, outcome = under_way.pop(task), _outcome(task)
                    outcomes.append(outcome)
                    settled += burst.settled_by(Attempt(delivery.survey.send_id, delivery.attempts, outcome))
                await self._write_early(claim, settled)
        finally:
            for task in under_way:
                task.cancel()
        doubtful = burst.end()
        self._keep(claim, self._results(doubtful))
        doubted = [attempt.outcome for attempt in doubtful]
        self._note_availability([each for each in outcomes if each.kind not in POSSIBLY_ABOUT_US] + doubted)

    def _results(self, attempts: Sequence[Attempt]) -> Results:
        return results_of(attempts, self._runtime.settings.pauses, chance=random.random)

    def _note_availability(self, outcomes: Sequence[TransmissionOutcome]) -> None:
        """Pauses, not ready, when the server took none of a burst; resumes once it does."""
        health, channel = self._runtime.health, self._channel
        begun = [each for each in outcomes if each.kind != "not_begun"]
        trouble = [each for each in begun if each.kind in NOT_TAKEN]
        for each in trouble:
            metrics.courier_deliveries.labels(each.kind).inc()
        if not begun:
            return
        if not trouble or len(trouble) < len(begun):
            self._backoff.succeeded()
            health.well(channel.server)
            return
        pause = self._backoff.failed()
        self._resume_at = time.monotonic() + pause
        kind, reason = trouble[0].kind, trouble[0].reason
        log.warning("server takes nothing", server=channel.server, kind=kind, reason=reason, retry_in=pause)
        health.trouble(channel.server, sentence=_TROUBLES[kind].format(reason=reason, settings=channel.server_settings))

    async def _write_early(self, claim: UUID, settled: Sequence[Attempt]) -> None:
        """Writes what is certain while the rest of its burst is under way; what fails is written with the rest."""
        self._keep(claim, self._results(settled))
        try:
            await self._write_rest()
        except Exception as error:
            log.warning("outcomes could not be written yet", error=type(error).__name__)

    def _keep(self, claim: UUID, results: Results) -> None:
        before = Results() if self._unwritten is None else self._unwritten[1]
        self._unwritten = claim, before + results

    async def _write_rest(self) -> None:
        """Writes all outcomes that are not written yet."""
        if self._unwritten is None:
            return
        claim, results = self._unwritten
        if results:
            await self._write(claim, results)
        self._unwritten = None

    async def _write(self, claim: UUID, results: Results) -> None:
        await actions.write_results(
            self._runtime,
            claim,
            results,
            channel=self._channel.name,
            provider=self._channel.provider,
            check_after=self._runtime.settings.courier_lease_seconds,
        )
        metrics.courier_deliveries.labels("put_off").inc(sum(each.tries for each in results.retries))
        metrics.courier_deliveries.labels("unknown").inc(len(results.unresolved))


def _put_aside(send_id: str, why: str) -> Ending:
    log.error("a delivery was put aside", send_id=send_id, reason=why)
    return Ending(send_id, "failed", reason=UNUSABLE)


def _outcome(task: "asyncio.Task[TransmissionOutcome]") -> TransmissionOutcome:
    """A channel raises only by mistake; then nobody knows how far the message got."""
    if (error := task.exception()) is None:
        return task.result()
    if not isinstance(error, Exception):
        raise error
    log.error("an email's transmission failed unexpectedly", error=type(error).__name__)
    return TransmissionOutcome("unresolved", type(error).__name__)


def _now() -> float:
    """Real seconds on a clock that keeps running while the process is stopped and, where supported, while the machine
    sleeps."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
