"""One run of Hearback's scorer or of a peer, from nothing counted."""

import asyncio
import contextlib
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import asyncpg
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from benchmarks.environment import Environment
from benchmarks.peers.installation import FOLDER
from benchmarks.peers.oracle import Counts, by_segment_and_day
from benchmarks.peers.outcome import CountsInFile, CountsInTopic, Outcome
from benchmarks.peers.peer import Commands, Peer
from benchmarks.scorer import stored_counts
from benchmarks.stream import committed
from deploy.local.programs import Program, spawn
from deploy.local.provision import temporary_database
from deploy.local.stack import Stack
from deploy.local.supervisor import how_it_ended, last_lines
from shared.contracts.topics import ANSWERS

SESSION_MILLISECONDS = 10_000
_BEFORE_SECONDS = 60.0
_STOP_SECONDS = 15.0


class Died(Exception):
    """A peer's process ended by itself. Says how, and the last it wrote."""


class Contestant(Protocol):
    """A running program that counts."""

    @property
    def pid(self) -> int | None:
        """None while it is not running."""

    def require_alive(self) -> None:
        """Raises Died when it has ended by itself."""

    async def begun(self) -> int | None:
        """None until it has taken the first answer; then how many may have been counted before that was seen."""

    async def progress(self) -> int:
        """A number that grows whenever counts are made durable."""

    async def counts(self) -> Counts:
        """The counts that are durable now."""

    async def kill_and_start_again(self) -> None:
        """SIGKILL, and the same command again at once."""


class _RunningScorer:
    def __init__(self, stack: Stack, database: "asyncpg.Connection[asyncpg.Record]", on: Environment) -> None:
        self._stack, self._database, self._on = stack, database, on

    @property
    def pid(self) -> int | None:
        record = self._stack.running.get("scorer")
        return record.pid if record else None

    def require_alive(self) -> None:
        """It is started again whenever it dies."""

    async def begun(self) -> int | None:
        return await self.progress() or None

    async def progress(self) -> int:
        return await committed(self._database, "scorer", ANSWERS)

    async def counts(self) -> Counts:
        return by_segment_and_day(await stored_counts(self._on))

    async def kill_and_start_again(self) -> None:
        await self._stack.kill("scorer")


@asynccontextmanager
async def scorer(on: Environment) -> AsyncIterator[Contestant]:
    """Hearback's scorer with a database of its own, on the topics of ``on``."""
    async with temporary_database(on.database.owner_url) as own:
        with_own = replace(on, database=own)
        async with with_own.stack("scorer") as stack:
            database = await asyncpg.connect(own.owner_url)
            try:
                yield _RunningScorer(stack, database, with_own)
            finally:
                await database.close()


class _RunningPeer:
    def __init__(self, program: Program, outcome: Outcome, begun: Path) -> None:
        self._program, self._outcome, self._begun = program, outcome, begun
        self._process = spawn(program)

    @property
    def pid(self) -> int | None:
        return self._process.pid

    def require_alive(self) -> None:
        status = self._process.poll()
        if status is not None:
            lines = " / ".join(last_lines(self._program.log_file, 3)) or "no output"
            raise Died(f"it {how_it_ended(status)}: {lines}")

    async def begun(self) -> int | None:
        return 0 if self._begun.exists() else None

    async def progress(self) -> int:
        return await self._outcome.progress()

    async def counts(self) -> Counts:
        return await self._outcome.counts()

    async def kill_and_start_again(self) -> None:
        self._process.kill()
        await asyncio.to_thread(self._process.wait)
        self._process = spawn(self._program)

    async def stop(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                await asyncio.to_thread(self._process.wait, _STOP_SECONDS)
        if self._process.poll() is None:
            self._process.kill()
            await asyncio.to_thread(self._process.wait)


@asynccontextmanager
async def peer_running(on: Environment, peer: Peer, installed: Sequence[str], run: int) -> AsyncIterator[Contestant]:
    """A peer with an empty state folder, a topic for its counts and a group of its own for this run."""
    name = on.topic(f"{peer.name}-{run}")
    state = FOLDER / peer.name / "state"
    shutil.rmtree(state, ignore_errors=True)
    state.mkdir(parents=True)
    topic = None if peer.topic is None else peer.topic(name, f"{name}-output")
    commands = peer.commands(installed, state)
    program = Program(
        name=peer.name,
        command=tuple(commands.run),
        log_file=FOLDER / peer.name / f"run-{run}.log",
        environment={
            "PEER_KAFKA": on.kafka_bootstrap_servers,
            "PEER_TOPIC": on.topic(ANSWERS.name),
            "PEER_OUTPUT": topic or "",
            "PEER_NAME": name,
            "PEER_STATE": str(state),
            "PEER_PARTITIONS": str(ANSWERS.partitions),
            "PEER_SESSION_MILLISECONDS": str(SESSION_MILLISECONDS),
            **peer.environment,
        },
    )
    program.log_file.unlink(missing_ok=True)
    async with _topics(on, name, topic) as consumer:
        await _run_before(commands, program)
        outcome = CountsInTopic(consumer, topic, ANSWERS.partitions) if topic else CountsInFile(state / "counts.sqlite")
        running = _RunningPeer(program, outcome, state / "begun")
        try:
            yield running
        finally:
            await running.stop()


async def _run_before(commands: Commands, program: Program) -> None:
    if not commands.before:
        return
    process = spawn(replace(program, command=tuple(commands.before)))
    try:
        status = await asyncio.to_thread(process.wait, _BEFORE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        status = process.wait()
    if status != 0:
        raise Died(f"{' '.join(commands.before[-3:])} {how_it_ended(status)}")


@asynccontextmanager
async def _topics(on: Environment, name: str, topic: str | None) -> AsyncIterator[AIOKafkaConsumer]:
    """Makes ``topic``; afterwards deletes it and all that have ``name`` in theirs, which the peer has made."""
    admin = AIOKafkaAdminClient(bootstrap_servers=on.kafka_bootstrap_servers)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=on.kafka_bootstrap_servers,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=2_097_152,
    )
    await admin.start()
    try:
        if topic:
            compacted = {"cleanup.policy": "compact"}
            await admin.create_topics([NewTopic(topic, ANSWERS.partitions, 1, topic_configs=compacted)])
        await consumer.start()
        try:
            yield consumer
        finally:
            await consumer.stop()
            if made := [found for found in await admin.list_topics() if name in found]:
                await admin.delete_topics(made)
    finally:
        await admin.close()
