"""Whoever asked to be forgotten is in no table, no log line and, soon, on no disk of Kafka's."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from shared.contracts.topics import (
    CATALOGUE,
    DAY_MILLISECONDS,
    DEAD_LETTER_SUFFIX,
    FORGET_DAYS,
    ORDERS,
    PREFERENCES,
    dead_letter_topic,
    is_compacted,
    segment_seconds,
)
from shared.messaging.segments import SegmentLoop
from shared.messaging.topics import ensure_topics
from shared.processes import PROCESSES, SERVICES
from shared.settings import ServiceSettings
from tests.acceptance.product import DAY, HOUR, Buyer, Product
from tests.kit.disk import words_on_disk
from tests.kit.eventually import eventually
from tests.kit.settings import settings_for
from tests.kit.traces import words_in_tables

MINUTE = timedelta(minutes=1)
LEDGERS = {
    f"dispatcher.{column}"
    for column in (
        "customers.customer_id",
        "decisions.customer_id",
        "deliveries.customer_id",
        "orders.customer_id",
        "orders.facts",
        "recurrences.customer_id",
        "sends.customer_id",
    )
} | {"collector.erased_ids.customer_id"}
"""The shop's id, and nothing else, stays here until everybody has been told (see ``test_year.py``)."""


class Person(Buyer):
    """Says much about themselves, each word of it found nowhere else."""

    @property
    def mark(self) -> str:
        return self.id.removeprefix("c-")

    @property
    def region(self) -> str:
        return f"Ludmila's isle {self.mark[:2]}"

    def order_id(self, number: int) -> str:
        return f"o-{self.mark[::-1]}-{number}"

    @property
    def words(self) -> dict[str, str]:
        mark = self.mark
        return {
            "address": self.address,
            "phone": f"+55119{int(mark, 16)}",
            "name": f"Ludmila Q{mark}",
            "comment": f"the lid of {mark} leaks",
            "note": f"spoke to the husband of {mark}",
            "attribute": f"gift for {mark}",
            "product": f"kettle engraved {mark}",
        }

    @property
    def customer(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "email": self.address,
            "phone": self.words["phone"],
            "name": self.words["name"],
            "locale": "en",
            "region": self.region,
        }

    @property
    def said(self) -> dict[str, Any]:
        return {
            "customer": self.customer,
            "items": [{"name": self.words["product"], "category": "kitchen"}],
            "attributes": {"card": self.words["attribute"]},
        }


async def unread(product: Product, person: Person, **more: Any) -> None:
    """An order event of theirs that becomes a dead letter."""
    event = product.event("order.placed", person, person.order_id(0), **person.said, **more)
    await product.shop.publish([replace(event, body={**event.body, "occurred_at": "yesterday"})])


async def erase(product: Product, person: Person) -> None:
    response = await product.staff.delete(f"{product.stack.url('collector')}/v1/customers/{person.id}")
    assert response.status_code == 200, response.text


async def in_tables(product: Product, person: Person) -> dict[str, set[str]]:
    """Where the person is found, but for their id in the ledgers."""
    words = [*person.words.values(), person.id]
    found = await words_in_tables(product.stack.database.owner_url, words)
    return {
        column: left
        for column, words_there in found.items()
        if (left := words_there - ({person.id} if column in LEDGERS else set()))
    }


def in_logs(product: Product, person: Person) -> list[str]:
    """Log lines of our processes that say anything about the person."""
    return [
        line
        for process in PROCESSES
        for line in product.stack.log_file(process).read_text().splitlines()
        if any(word.casefold() in line.casefold() for word in [*person.words.values(), person.id])
    ]


async def forgotten(product: Product, person: Person) -> None:
    """Returns when the person is in no table; fails when they stay."""
    await product.dispatcher.wait_until_consumed()
    await eventually(
        lambda: in_tables(product, person), "the tables to forget", wanted=lambda found: found == {}, every=0.2
    )


@asynccontextmanager
async def forgetting_within_seconds(product: Product) -> AsyncIterator[ServiceSettings]:
    """Shortens the bound of the product's topics, in the way it shortens that of existing topics itself.

    Not for longer than needed: markers all the time would keep an audit from finding the topics at rest.
    """
    stack = product.stack
    quick = settings_for(
        ServiceSettings,
        "postgresql://h/d",
        kafka_bootstrap_servers=stack.kafka_bootstrap_servers,
        topic_prefix=stack.topic_prefix,
        forget_days=3 / 86_400,
    )
    await ensure_topics(quick, CATALOGUE)
    try:
        yield quick
    finally:
        admin = AIOKafkaAdminClient(bootstrap_servers=stack.kafka_bootstrap_servers)
        await admin.start()
        try:
            before = {quick.topic(topic.name): topic.configuration() for topic in CATALOGUE}
            await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, *each) for each in before.items()])
        finally:
            await admin.close()


async def test_partitions_nobody_writes_to_are_looked_after(product: Product) -> None:
    """Their only records are the markers (``shared/messaging/segments.py``) of the service that publishes to them."""
    await product.marked(["followups.passives"])


async def test_every_topic_on_the_broker_forgets_by_a_bound(product: Product) -> None:
    """Compacted soon, or deleted by age, as the catalogue has it and docs/security.md states: dead letters too."""
    await unread(product, Person())
    stack = product.stack
    dead_letters = f"{stack.topic_prefix}{ORDERS.name}.dispatcher{DEAD_LETTER_SUFFIX}"
    segment = str(int(segment_seconds(FORGET_DAYS) * 1_000))
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.kafka_bootstrap_servers)
    await admin.start()
    try:
        names = await eventually(admin.list_topics, "the dead letter", wanted=lambda found: dead_letters in found)
        ours = sorted(name for name in names if name.startswith(stack.topic_prefix))
        answers = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name) for name in ours])
    finally:
        await admin.close()
    found = {
        name.removeprefix(stack.topic_prefix): {entry[0]: entry[1] for entry in entries}
        for answer in answers
        for _code, _message, _type, name, entries in answer.resources
    }
    catalogue = {topic.name: topic for topic in CATALOGUE}
    assert found.keys() >= catalogue.keys()
    for name, settings in found.items():
        topic = catalogue.get(name) or dead_letter_topic(name, service="any")
        assert name in catalogue or name.endswith(DEAD_LETTER_SUFFIX)
        wanted = topic.configuration()
        assert {key: settings[key] for key in wanted} == wanted, name
        assert settings["segment.ms"] == segment
        if topic.compacted:
            assert settings["max.compaction.lag.ms"] == segment
        else:
            assert 0 < int(settings["retention.ms"]) <= 31 * DAY_MILLISECONDS


async def test_a_whole_life_is_forgotten(product: Product, kafka_disk: Path) -> None:
    person, other = Person(), Person()
    for buyer in (person, other):
        await product.tell("order.placed", buyer, buyer.order_id(1), **buyer.said)
    await unread(product, person)
    await product.after(HOUR)
    mail = await product.mail(person)
    given = await product.answer(mail, 1, person.words["comment"])
    kept = await product.answer(await product.mail(other), 2, other.words["comment"])
    case = await product.case(given, lambda case: case["status"] == "open")
    await product.case(kept, lambda case: case["status"] == "open")
    note = await product.staff.post(
        f"{product.stack.url('alerter')}/v1/cases/{case['case_id']}/note",
        json={"sequence": case["sequence"], "text": person.words["note"]},
    )
    assert note.status_code == 200, note.text
    await product.unsubscribe(mail)
    await product.dispatcher.wait_until_consumed()
    everything = set(person.words.values())
    assert set.union(*(await in_tables(product, person)).values()) >= everything - {person.words["phone"]}

    await erase(product, person)
    await forgotten(product, person)

    async def on_disk() -> dict[str, set[str]]:
        for service in SERVICES:
            await SegmentLoop(quick, service).step()
        words = [*everything, person.id, *other.words.values()]
        found = words_on_disk(kafka_disk, words, prefix=product.stack.topic_prefix)
        return {topic: words for topic, words in found.items() if is_compacted(topic)}

    def is_forgotten(found: dict[str, set[str]]) -> bool:
        # What tells the other services whom to erase has the shop's id.
        left = {topic: words - ({person.id} if topic == PREFERENCES.name else set()) for topic, words in found.items()}
        return all(words.isdisjoint({*everything, person.id}) for words in left.values())

    async with forgetting_within_seconds(product) as quick:
        assert not is_forgotten(await on_disk())
        found = await eventually(on_disk, "the disks to forget", wanted=is_forgotten, every=0.5)
    assert other.words["comment"] in found["surveys.answers"] & found["followups.detractors"], (
        "nobody else is forgotten"
    )
    assert in_logs(product, person) == []
    report = await product.audited()
    assert report.clean, report


async def test_nothing_that_comes_afterwards_brings_anything_back(product: Product) -> None:
    person, stranger = Person(), Person()
    placed = product.event("order.placed", person, person.order_id(1), **person.said)
    ahead = product.event("order.placed", person, person.order_id(2), **person.said)
    in_future = product.clock.now() + timedelta(minutes=10)
    await product.shop.publish([placed, replace(ahead, body={**ahead.body, "occurred_at": in_future.isoformat()})])
    await product.dispatcher.wait_until_consumed()
    before = product.clock.now()
    await product.after(MINUTE)
    await erase(product, person)
    await erase(product, stranger)
    await forgotten(product, person)

    await product.after(MINUTE)
    late = [product.event("order.placed", stranger, stranger.order_id(1), **stranger.said)]
    late += [product.event("order.paid", person, person.order_id(3), **person.said)]
    late = [replace(event, body={**event.body, "occurred_at": before.isoformat()}) for event in late]
    late += [replace(placed, id=f"{placed.id}/again"), placed]
    late += [product.event("order.delivered", person, person.order_id(number), **person.said) for number in (1, 2)]
    await product.shop.publish(late)
    await product.after(DAY)
    for one in (person, stranger):
        await forgotten(product, one)
        assert in_logs(product, one) == []
        assert await product.mails(one) == []
    report = await product.audited()
    assert report.clean, report
