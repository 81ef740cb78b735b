"""Promise 3 with processes: two replicas, one killed while handling answers, and every detractor gets a case."""

import asyncio
from asyncio.subprocess import Process
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError

from deploy.local.backends import Backends
from deploy.local.ports import free_port
from deploy.local.provision import Database
from shared.contracts import answers, cloudevents, followups, identity
from shared.contracts.answers import Answer
from shared.contracts.topics import QUEUES
from shared.nps import group_of
from tests.kit.eventually import eventually
from tests.kit.processes import process
from tests.kit.settings import SECRET, kafka_at
from tests.unit.alerter.examples import answer
from tools.audit.topics import Topics

ANSWERS = 10_000
LIMIT_SECONDS = 90


async def test_two_replicas_and_a_kill_leave_each_answer_one_open_case_in_its_queue(
    backends: Backends, database: Database, topic_prefix: str
) -> None:
    environment = {
        "HEARBACK_KAFKA_BOOTSTRAP_SERVERS": backends.kafka_bootstrap_servers,
        "HEARBACK_DATABASE_URL": database.service_urls["alerter"],
        "HEARBACK_TOPIC_PREFIX": topic_prefix,
        "HEARBACK_SECRET": SECRET,
        "HEARBACK_CONSUMER_BATCH_SIZE": "100",
        "HEARBACK_CONSUMER_SESSION_SECONDS": "6",
    }
    told = list(revisions())
    final: dict[str, Answer] = {}
    for one in told:
        final[identity.case_id(one.answer_id)] = max(final.get(identity.case_id(one.answer_id), one), one, key=revision)
    connection = await asyncpg.connect(database.owner_url)
    topics = Topics(kafka_at(backends.kafka_bootstrap_servers), prefix=topic_prefix)

    async def cases() -> int:
        found: int = await connection.fetchval("SELECT count(*) FROM alerter.cases")
        return found

    async with alerter(environment) as stays:
        await eventually(lambda: members(backends, topic_prefix, 1), "one member", within=LIMIT_SECONDS)
        async with alerter(environment) as dies:
            await eventually(
                lambda: members(backends, topic_prefix, 2), "both members", within=LIMIT_SECONDS, every=0.1
            )
            sending = asyncio.create_task(send(backends, f"{topic_prefix}surveys.answers", told))
            await eventually(
                lambda: at_least(cases, ANSWERS // 10), "a tenth of the cases", within=LIMIT_SECONDS, every=0.1
            )
            dies.kill()
            await dies.wait()
            assert await cases() < ANSWERS, "all answers were heard before the kill; send more"
            await sending
        await eventually(lambda: at_least(cases, ANSWERS), "every case", within=LIMIT_SECONDS)
        await eventually(lambda: handled(connection, topics), "the end of it", within=LIMIT_SECONDS, every=0.1)
        assert stays.returncode is None
    await connection.close()

    standing, told_twice = await published(topics)
    open_in = {case_id: queue for (queue, case_id), body in standing.items() if body["status"] != "closed"}
    assert Counter(case_id for (_, case_id), body in standing.items() if body["status"] != "closed") == Counter(
        [*final]
    )
    assert open_in == {case_id: f"{group_of(one.score)}s" for case_id, one in final.items()}
    assert all(
        standing[queue, case_id]["answer"]["score"] == final[case_id].score for case_id, queue in open_in.items()
    )
    # Events the relay may have published twice are deduplicated by id.
    assert all(bodies == 1 for bodies in told_twice.values())


def revision(one: Answer) -> int:
    return one.revision


def revisions() -> Iterator[Answer]:
    """Every third answer is amended, and its first revision is redelivered afterwards."""
    for number in range(ANSWERS):
        first = answer(number % 11, answer_id=f"a-{number}")
        yield first
        if number % 3 == 0:
            yield answer((number * 7) % 11, 2, answer_id=f"a-{number}", comment="more")
            yield first


async def send(backends: Backends, topic: str, told: Sequence[Answer]) -> None:
    """Every second amended one under different keys, so that its revisions are in several partitions."""
    producer = AIOKafkaProducer(bootstrap_servers=backends.kafka_bootstrap_servers)
    await producer.start()
    try:
        for place, one in enumerate(told):
            headers, value = cloudevents.write(answers.event(one), "/test")
            key = f"{one.answer_id}/{place}" if int(one.answer_id[2:]) % 6 == 0 else one.answer_id
            acknowledged = await producer.send(topic, value, key=key.encode(), headers=headers)
            if place % 100 == 99:
                await acknowledged
        await producer.flush()
    finally:
        await producer.stop()


@asynccontextmanager
async def alerter(environment: Mapping[str, str]) -> AsyncIterator[Process]:
    """Stopped at the end unless it is already dead, and must then exit cleanly."""
    port = {"HEARBACK_HTTP_PORT": str(free_port())}
    async with process(
        "services.alerter", environment={**environment, **port}, stdout=asyncio.subprocess.DEVNULL
    ) as running:
        yield running
        if running.returncode is None:
            running.terminate()
            assert await asyncio.wait_for(running.wait(), 30) == 0


async def members(backends: Backends, topic_prefix: str, many: int) -> bool:
    """Whether that many alerters share the partitions."""
    admin = AIOKafkaAdminClient(bootstrap_servers=backends.kafka_bootstrap_servers)
    await admin.start()
    try:
        (response,) = await admin.describe_consumer_groups([f"{topic_prefix}hearback.alerter"])
    except GroupCoordinatorNotAvailableError:
        return False  # a fresh broker creates the groups topic when it is first asked about a group
    finally:
        await admin.close()
    (group,) = response.groups
    return group[2] == "Stable" and len(group[5]) == many


async def at_least(count: Callable[[], Awaitable[int]], many: int) -> bool:
    return await count() >= many


async def handled(connection: "asyncpg.Connection[asyncpg.Record]", topics: Topics) -> bool:
    """Whether every answer was handled and everything was published."""
    rows = await connection.fetch(
        "SELECT partition, next_offset FROM alerter.consumer_positions WHERE topic = 'surveys.answers'"
    )
    async with topics.ends([answers.TOPIC]) as ends:
        current = await ends()
    taken_in = all(current[answers.TOPIC, row["partition"]] == row["next_offset"] for row in rows)
    return taken_in and await connection.fetchval("SELECT count(*) FROM alerter.outbox") == 0


async def published(topics: Topics) -> tuple[dict[tuple[str, str], dict[str, Any]], dict[str, int]]:
    """The last body of each queue and case; and for each event id, the number of different bodies."""
    standing: dict[tuple[str, str], dict[str, Any]] = {}
    bodies: dict[str, set[bytes]] = {}
    queues = {followups.topic_of(queue): queue for queue in QUEUES}
    async for record in topics.read(list(queues)):
        assert record.key is not None and record.value is not None
        standing[queues[record.topic], record.key.decode()] = orjson.loads(record.value)
        bodies.setdefault(record.header("ce_id") or "", set()).add(record.value)
    return standing, {event_id: len(seen) for event_id, seen in bodies.items()}
