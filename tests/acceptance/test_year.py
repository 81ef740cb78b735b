"""An installation that is more than a year old, whose topics have aged and whose tables have forgotten, is healthy."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from deploy.local.backends import Backends
from shared.contracts.followups import TOPIC_PREFIX
from shared.contracts.topics import CATALOGUE, DEAD_LETTER_SUFFIX, PREFERENCES, followup_topic
from shared.messaging.segments import SegmentLoop
from tests.acceptance.conftest import running_product
from tests.acceptance.product import DAY, HOUR, Buyer, Product
from tests.acceptance.test_erasure import forgetting_within_seconds
from tests.kit.disk import words_on_disk
from tests.kit.eventually import eventually
from tests.kit.settings import kafka_at
from tests.kit.traces import words_in_tables
from tools.audit.records import Record
from tools.audit.topics import Topics

SHORT_MEMORY = {
    "HEARBACK_CASE_DAYS": "200",
    "HEARBACK_CUSTOMER_RETENTION_DAYS": "200",
    "HEARBACK_COMMENTS_KEPT_DAYS": "200",
}
"""So that the tables, too, forget something within the time that passes here."""
MONTHS = 14
SCORES = (2, 9, 7, 10, 5)


class Unremarkable(Buyer):
    """In no segment of their own, because segments outlive who was in them."""

    @property
    def region(self) -> str:
        return "nowhere in particular"


class Mailbox(Unremarkable):
    """Of a shop that takes the email address for the customer's id."""

    @property
    def address(self) -> str:
        return self.id


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def product(backends: Backends, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Product]:
    """One of its own: what it forgets while time passes, other tests still ask for."""
    async with running_product(backends, tmp_path_factory.mktemp("year"), SHORT_MEMORY) as running:
        yield running


@pytest.mark.slow
async def test_a_year_of_orders_answers_and_cases_leaves_nothing_to_find(product: Product, kafka_disk: Path) -> None:
    silent, returning, former = (Buyer() for _ in range(3))
    gone = Unremarkable()
    forgotten = Mailbox(id=f"m-{secrets.token_hex(4)}@customers.example")
    for month in range(MONTHS):
        buyer = Buyer()
        order = await product.order(buyer)
        await product.order(former)
        if month == 1:
            await product.unsubscribe(await product.surveyed(silent))
            await product.order(silent)
        for number, asks_to_be_erased in ((2, gone), (3, forgotten), (8, returning)):
            if month == number:
                await erased(product, asks_to_be_erased)
        await product.after(HOUR)
        given = await product.answer(
            await product.mail(buyer), SCORES[month % len(SCORES)], f"In month {month}" if month % 3 else None
        )
        case = await product.case(given, bool)
        if month % 4 == 0:
            await closed(product, case)
        await product.after(15 * DAY)
        if month % 2 == 0:
            await product.tell("order.delivered", buyer, order)
        await product.after(15 * DAY)
        former = buyer
    # Nobody is left of those erased long ago when one of their orders goes on.
    # Each service's retention runs when it starts.
    await asyncio.gather(*(product.stack.kill(service) for service in ("dispatcher", "collector")))
    await product.stack.ready()
    await eventually(
        lambda: words_in_tables(product.stack.database.owner_url, [gone.id, forgotten.id]),
        "the tables to forget even the ids",
        wanted=lambda found: not found,
    )
    # Some of last week: an order that began long ago goes on, also that of somebody who was erased; one orders again.
    await product.tell("order.delivered", former, f"{former.id}-1")
    await product.tell("order.returned", gone, f"{gone.id}-1")
    await product.surveyed(returning)
    await grown_old(product)
    report = await product.audited()
    assert report.clean, (report.inconclusive, [check for check in report.checks if check.differences])
    # What has been forgotten is counted, not compared.
    assert report.check("published cases").left_out > 0
    assert report.check("one case per answer").left_out > 0
    assert report.check("timers recomputed").left_out > 0
    assert report.check("no personal data of erased customers").left_out > 0
    # Not even the id is left of whoever was erased and stayed away, and nothing came back of the other.
    assert await words_in_tables(product.stack.database.owner_url, [forgotten.id, gone.address]) == {}

    async def on_disk() -> set[str]:
        await SegmentLoop(quick, "collector").step()
        found = words_on_disk(kafka_disk, [forgotten.id, returning.id], prefix=product.stack.topic_prefix)
        return found.get(PREFERENCES.name, set())

    async with forgetting_within_seconds(product) as quick:
        await eventually(on_disk, "the disks to forget the id", wanted=lambda ids: forgotten.id not in ids, every=0.5)


async def closed(product: Product, case: dict[str, Any]) -> None:
    response = await product.staff.post(
        f"{product.stack.url('alerter')}/v1/cases/{case['case_id']}/close",
        json={"sequence": case["sequence"], "reason": "resolved", "root_cause": "Delivered late"},
    )
    response.raise_for_status()


async def erased(product: Product, buyer: Buyer) -> None:
    await product.answer(await product.surveyed(buyer), 1, f"Never again, says {buyer.id}")
    await product.dispatcher.wait_until_consumed()
    await product.staff.delete(f"{product.stack.url('collector')}/v1/customers/{buyer.id}")


async def grown_old(product: Product) -> None:
    """Kafka deletes what has passed its topic's retention; each service's retention, which runs when it starts, too."""
    await asyncio.gather(*(product.stack.kill(service) for service in ("dispatcher", "collector", "scorer", "alerter")))
    await product.stack.ready()
    topics = Topics(kafka_at(product.stack.kafka_bootstrap_servers), prefix=product.stack.topic_prefix)
    ages = {name: days for name in await topics.names() if (days := retention_days(name)) is not None}
    oldest_kept: dict[tuple[str, int], int] = {}
    async for record in topics.read(sorted(ages)):
        at = record.topic, record.partition
        if at not in oldest_kept and published_at(record) > product.clock.now() - ages[record.topic] * DAY:
            oldest_kept[at] = record.offset
    async with topics.ends(sorted(ages)) as ends:
        whole = await ends()
    admin = AIOKafkaAdminClient(bootstrap_servers=product.stack.kafka_bootstrap_servers)
    await admin.start()
    try:
        await admin.delete_records(
            {
                TopicPartition(product.stack.topic_prefix + topic, partition): RecordsToDelete(
                    before_offset=oldest_kept.get((topic, partition), end)
                )
                for (topic, partition), end in whole.items()
            }
        )
    finally:
        await admin.close()


def retention_days(name: str) -> int | None:
    """None for a topic that forgets only what newer records replace."""
    if name.endswith(DEAD_LETTER_SUFFIX):
        return None
    if name.startswith(TOPIC_PREFIX):
        return followup_topic(name.removeprefix(TOPIC_PREFIX)).retention_days
    return next((topic.retention_days for topic in CATALOGUE if topic.name == name), None)


def published_at(record: Record) -> datetime:
    written = record.header("ce_time")
    assert written is not None
    return datetime.fromisoformat(written)
