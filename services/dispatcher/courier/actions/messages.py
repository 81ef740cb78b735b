"""Takes surveys from the queue and composes their messages; those that are no longer sent end here."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from services.dispatcher.courier.actions import deliveries as actions
from services.dispatcher.courier.channels.channel import Channel, M
from services.dispatcher.courier.domain.deliveries import UNUSABLE, Ending, QueuedDelivery, obstacle
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
from shared.contracts.campaigns import CampaignPublished
from shared.persistence.transaction import transaction
from shared.runtime import Runtime
from shared.watermark import Claimed

log = structlog.get_logger()


class UnreadableCustomer:
    """What is stored about this customer makes no sense to this version."""


class UnreadableOrder:
    """What is stored about this order makes no sense to this version."""


@dataclass(frozen=True, slots=True)
class Prepared(Generic[M]):
    """What was taken from the queue, and the deliveries with a message to transmit."""

    taken: Claimed
    messages: Sequence[tuple[QueuedDelivery, M]]


async def prepare(
    runtime: Runtime[CourierSettings],
    channel: Channel[M],
    others: Collection[str],
    claim: UUID,
    *,
    since: datetime,
    most: int,
) -> Prepared[M]:
    """Takes up to ``most`` surveys that are due from ``since`` on, and puts those with a message under ``claim``: after
    the commit they may be transmitted. ``others`` are the channels whose surveys are left to their own loops."""
    async with transaction(runtime.engine) as connection:
        taken = await repository.take(connection, most, others, since=since)
        now = runtime.clock.now()
        endings = [_put_aside(send_id, "its survey cannot be read") for send_id in taken.unreadable]
        messages: list[tuple[QueuedDelivery, M]] = []
        for delivery, composed in await _compose(connection, runtime, channel, taken.queued, now):
            if isinstance(composed, Ending):
                endings.append(composed)
            else:
                messages.append((delivery, composed))
        await actions.end(
            connection, runtime.outbox, None, endings, now, channel=channel.name, provider=channel.provider
        )
        if messages:
            send_ids = [delivery.survey.send_id for delivery, _ in messages]
            await repository.begin(connection, claim, send_ids, runtime.settings.courier_lease_seconds)
    if endings:
        runtime.relay.wake()
    send_ids = sorted([*taken.unreadable, *(delivery.survey.send_id for delivery in taken.queued)])
    return Prepared(Claimed(send_ids, taken.reached, len(send_ids) == most), messages)


async def _compose(
    connection: AsyncConnection,
    runtime: Runtime[CourierSettings],
    channel: Channel[M],
    queued: Sequence[QueuedDelivery],
    now: datetime,
) -> list[tuple[QueuedDelivery, M | Ending]]:
    """Each delivery with its message, or with its ending if there is none."""
    if not queued:
        return []
    customers = await _customers(connection, {each.survey.customer_id for each in queued})
    campaigns = _Campaigns(runtime, await campaign_repository.all_of_them(connection))
    orders = await _orders(connection, {each.survey.order_id for each in queued if each.survey.order_id})
    about = {
        each.survey.send_id: digests_of(each.survey.customer_id, each.survey.recipient.address, runtime.digests)
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
        stopped = None if order is None else order.stopped_by(campaigns.stops(survey.campaign))
        suppressed = by_channel(listed, about[survey.send_id])
        ending = obstacle(survey, customer, suppressed, stopped=stopped, channel=channel.name, now=now)
        if ending is not None:
            composed.append((delivery, ending))
        else:
            campaign = campaigns.published(survey.campaign, survey.campaign_version)
            message: M | Ending = _composed(channel, delivery, campaign, now)
            composed.append((delivery, message))
    return composed


async def _orders(connection: AsyncConnection, order_ids: Collection[str]) -> Mapping[str, Order | UnreadableOrder]:
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
    connection: AsyncConnection, customer_ids: Collection[str]
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


class _Campaigns:
    """The current campaigns, as published."""

    def __init__(self, runtime: Runtime[Any], stored: Mapping[str, StoredCampaign]) -> None:
        self._brand = runtime.brand
        self._stored = stored
        self._published: dict[str, CampaignPublished] = {}

    def stops(self, campaign: str) -> tuple[str, ...]:
        """What stops an order for this campaign; nothing for an unknown one."""
        known = self._stored.get(campaign)
        return () if known is None else known.campaign.stop_on

    def published(self, campaign: str, version: int) -> CampaignPublished:
        """The campaign as it is now; for an unknown one, of that version, our own brand."""
        known = self._stored.get(campaign)
        if known is None:
            return CampaignPublished(campaign=campaign, campaign_version=version, brand=self._brand)
        if campaign not in self._published:
            self._published[campaign] = known.published()
        return self._published[campaign]


def _composed(channel: Channel[M], delivery: QueuedDelivery, campaign: CampaignPublished, now: datetime) -> M | Ending:
    try:
        return channel.compose(delivery, campaign, now)
    except Exception as error:
        # Whatever is wrong with one survey's texts, the others are sent.
        return _put_aside(delivery.survey.send_id, f"composing it failed: {type(error).__name__}")


def _put_aside(send_id: str, why: str) -> Ending:
    log.error("a delivery was put aside", send_id=send_id, reason=why)
    return Ending(send_id, "failed", reason=UNUSABLE)
