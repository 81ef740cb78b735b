"""Makes Kafka's class cache, from a broker that is run for this purpose."""

import asyncio
import fcntl
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from deploy.local.class_cache import class_cache
from deploy.local.errors import StackError
from deploy.local.kafka import KafkaNode
from deploy.local.ports import free_ports
from deploy.local.programs import Program, spawn
from deploy.local.supervisor import Supervisor, last_lines

_TOPICS = 8
_RECORDS = 2_000
# Java writes down what it has loaded when it ends.
_END_WITHIN_SECONDS = 120.0


async def make_class_cache(jars: Sequence[Path]) -> None:
    """Runs a broker with some topics, records and a consumer, and keeps the classes it loaded; about 15 s.

    Does nothing if they are kept already, or another process is about to. It may be killed at any moment. Raises
    StackError if it cannot be done.
    """
    cache = class_cache(jars)
    with cache.with_name("kafka-aot.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return
        if cache.exists():
            return
        folder = cache.with_name("kafka-aot.new")
        shutil.rmtree(folder, ignore_errors=True)
        try:
            await _make(jars, folder, cache)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


async def _make(jars: Sequence[Path], folder: Path, cache: Path) -> None:
    port, controller_port = free_ports(2)
    node = KafkaNode(folder=folder / "kafka", port=port, controller_port=controller_port)
    await node.prepare(jars)
    supervisor = Supervisor(folder / "processes.json")
    classes = f"-XX:AOTConfiguration={folder / 'classes'}"
    try:
        program = node.program(jars, folder / "log", java_options=("-XX:AOTMode=record", classes))
        await supervisor.start(replace(program, stop_within=_END_WITHIN_SECONDS))
        await _use(node.bootstrap_servers)
    finally:
        await supervisor.stop_all()
    made = folder / "cache"
    command = node.java(jars, "-XX:AOTMode=create", classes, f"-XX:AOTCache={made}")
    process = spawn(Program(name="java", command=command, log_file=folder / "log"))
    await asyncio.to_thread(process.wait)
    if not made.exists():
        raise StackError(f"Java could not keep Kafka's classes: {' / '.join(last_lines(folder / 'log', 2))}")
    made.replace(cache)


async def _use(bootstrap_servers: str) -> None:
    """Has the broker do once what it does for Hearback."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap_servers, enable_idempotence=True)
    topics = [f"topic-{number}" for number in range(_TOPICS)]
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, num_partitions=6, replication_factor=1) for topic in topics])
        await admin.describe_topics()
        consumer = AIOKafkaConsumer(
            *topics, bootstrap_servers=bootstrap_servers, group_id="group", auto_offset_reset="earliest"
        )
        await producer.start()
        await consumer.start()
        try:
            for number in range(_RECORDS):
                await producer.send_and_wait(topics[number % _TOPICS], b"record", key=str(number).encode())
            taken = 0
            while taken < _RECORDS:
                taken += sum(map(len, (await consumer.getmany(timeout_ms=1_000)).values()))
            await consumer.commit()
        finally:
            await producer.stop()
            await consumer.stop()
    finally:
        await admin.close()
