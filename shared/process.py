"""The frame of every service process: settings, resources, loops, HTTP, and graceful shutdown.

Start order: settings → logs → database and migrations → topics → ``Service.start`` → relay, loops, consumer, HTTP.
On SIGTERM the consumer and the loops finish what is in progress, the relay publishes what is left, HTTP stops last.
"""

import asyncio
import gc
import os
import signal
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import structlog
from aiokafka.errors import KafkaError
from fastapi import FastAPI

from shared import logs
from shared.backoff import Backoff, Reminders
from shared.contracts.cloudevents import Readers
from shared.contracts.topics import CONSUMED_BY
from shared.definitions import InvalidDefinition
from shared.loops import Periodic, wait
from shared.messaging import retention
from shared.messaging.consumer import Consumer
from shared.messaging.handler import Handler
from shared.messaging.reachability import why_failing
from shared.messaging.reading import Reading
from shared.messaging.segments import SegmentLoop
from shared.messaging.topics import all_topics, ensure_topics
from shared.persistence.engine import is_fault_of_data, probe
from shared.persistence.migrations import migrate
from shared.runtime import Runtime, open_runtime
from shared.settings import ServiceSettings, load
from shared.unknown_settings import unknown_settings
from shared.web.server import CannotListen, Server

log = structlog.get_logger()
S = TypeVar("S", bound=ServiceSettings)

# Seconds. Nothing is served before startup is done, and polling backends that are not up yet is cheap.
_PREPARE_AT_LEAST_EVERY = 0.25
# A backend that is started at the same time as this process is not worth a line in the log.
_TOLD_AFTER = 3.0
_DATABASE = "database"
_KAFKA = "kafka"
_LAG_SECONDS = 5.0


@dataclass(kw_only=True)
class Service:
    """The parts of a service. ``handlers`` has one for each topic of ``contracts.topics.CONSUMED_BY``; ``readers`` are
    for event types of which they need only some fields.

    A service without ``needs_kafka`` is ready without it: its requests need only PostgreSQL, and what it publishes
    waits in the outbox.
    """

    handlers: Mapping[str, Handler]
    app: FastAPI
    readers: Readers = field(default_factory=dict)
    needs_kafka: bool = True
    loops: Sequence[Periodic] = ()
    start: Callable[[], Awaitable[None]] | None = None
    close: Callable[[], Awaitable[None]] | None = None


Build = Callable[[Runtime[S]], Service]


def run(name: str, settings_type: type[S], build: Build[S], *, schema: str | None = None) -> None:
    """Runs the process until it is stopped, then exits: with 0, or with 1 if it could not continue.

    ``schema`` names the service whose schema and migrations are used, if not those of ``name``.
    """
    settings = load(settings_type)
    logs.configure(name, settings)
    for sentence in unknown_settings(os.environ):
        log.warning(sentence)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        raise SystemExit(runner.run(_serve(name, settings, build, schema or name)))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # not available on Windows
        return None
    return uvloop.new_event_loop


async def _serve(name: str, settings: S, build: Build[S], schema: str) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with open_runtime(name, settings, schema=schema) as runtime:
        service = build(runtime)
        http = Server(service.app, settings.http_host, settings.http_port)
        runtime.health.add_check(_DATABASE, partial(probe, runtime.engine))
        if not service.needs_kafka:
            runtime.health.essential = frozenset({_DATABASE})
        try:
            await http.start()
            if await _prepare(runtime, service, schema, stop):
                return await _work(runtime, service, http, stop)
            return 0
        except (CannotListen, InvalidDefinition) as error:
            log.error("cannot start", reason=str(error))
            return 1
        finally:
            if service.close is not None:
                await service.close()
            await http.stop(settings.drain_seconds)


async def _prepare(runtime: Runtime[S], service: Service, schema: str, stop: asyncio.Event) -> bool:
    """Sets up schema, topics and the service itself; waits for backends that are not up yet. False when stopped."""
    settings, health = runtime.settings, runtime.health
    pauses = Backoff(first=0.1, longest=min(_PREPARE_AT_LEAST_EVERY, settings.retry_limit_seconds))
    reminders = Reminders(first=1, longest=settings.retry_limit_seconds, now=time.monotonic)
    began, migrated = time.monotonic(), False
    while not stop.is_set():
        try:
            if not migrated:
                await migrate(schema, runtime.engine)
                migrated = True
            health.well(_DATABASE)
            health.started = not service.needs_kafka
            await ensure_topics(settings, all_topics())
            health.well(_KAFKA)
            if service.start is not None:
                await service.start()
        except Exception as error:
            if is_fault_of_data(error):
                raise
            backend = _KAFKA if isinstance(error, KafkaError) else _DATABASE
            reason = await why_failing(error, settings)
            health.trouble(backend, sentence=reason)
            if time.monotonic() - began > _TOLD_AFTER and reminders.due(reason):
                log.warning("waiting for a backend", backend=backend, reason=reason)
            await wait(stop, pauses.failed())
            continue
        health.well(_DATABASE)
        return True
    return False


async def _work(runtime: Runtime[S], service: Service, http: Server, stop: asyncio.Event) -> int:
    """Runs everything until ``stop`` or the first failure, then stops it in order. Returns the exit status, 0 or 1."""
    settings, health = runtime.settings, runtime.health
    _spare_the_garbage_collector()

    def committed() -> None:
        runtime.relay.wake()
        runtime.handled.tell()

    consumer = Consumer(
        runtime.name,
        CONSUMED_BY[runtime.name],
        service.handlers,
        engine=runtime.engine,
        settings=settings,
        health=health,
        committed=committed,
        clock=runtime.clock,
        readers=service.readers,
    )
    reading = Reading(
        runtime.name,
        CONSUMED_BY[runtime.name],
        engine=runtime.engine,
        settings=settings,
        clock=runtime.clock,
        health=health,
    )
    relay_stop = asyncio.Event()
    relay = asyncio.create_task(runtime.relay.run(relay_stop), name=runtime.relay.name)
    workers = [asyncio.create_task(consumer.run(stop), name=consumer.loop_name)] + [
        asyncio.create_task(periodic.run(stop, health, settings.retry_limit_seconds), name=periodic.name)
        for periodic in background_loops(runtime, service, reading)
    ]
    stopping = asyncio.create_task(stop.wait(), name="stop")
    health.started = True
    log.info("started", http=f"http://{settings.http_host}:{settings.http_port}")
    everything = [relay, *workers, http.task]
    await asyncio.wait([stopping, *everything], return_when=asyncio.FIRST_COMPLETED)
    failed = ended_early(everything, stop)
    health.stopping = True
    stop.set()
    stopping.cancel()
    log.info("stopping", because=failed[0].get_name() if failed else "asked to")
    await _end(workers, settings.drain_seconds)
    relay_stop.set()
    await _end([relay], settings.drain_seconds)
    await reading.close()
    status = 0
    for task in [relay, *workers]:
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a loop failed", loop=task.get_name(), exc_info=error)
            status = 1
    return 1 if failed else status


def ended_early(tasks: Sequence[asyncio.Task[None]], stop: asyncio.Event) -> list[asyncio.Task[None]]:
    """Those that are done though nobody asked for it. Once ``stop`` is set every loop may end, also before we look."""
    return [] if stop.is_set() else [task for task in tasks if task.done()]


def background_loops(runtime: Runtime[S], service: Service, reading: Reading) -> list[Periodic]:
    """The service's own loops, and those of every process."""
    settings = runtime.settings
    segments = SegmentLoop(settings, runtime.name)
    dead_letters = retention.DeadLetterRetention(runtime.engine, runtime.name, days=settings.dead_letter_days)
    return [
        *service.loops,
        Periodic("lag", _LAG_SECONDS, reading.step),
        Periodic("segments", segments.look_seconds, segments.step),
        Periodic("dead letter retention", retention.SECONDS, dead_letters.step),
    ]


def _spare_the_garbage_collector() -> None:
    """Modules, models and statements live as long as the process, and the 150,000 objects of two batches in progress
    are freed by reference counting: at Python's default thresholds, collecting took a quarter of the scorer's time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 20, 50)


async def _end(tasks: Sequence[asyncio.Task[None]], seconds: float) -> None:
    """Waits up to that many seconds for the tasks, then cancels the rest."""
    _, late = await asyncio.wait(tasks, timeout=seconds)
    for task in late:
        log.warning("did not finish in time, cancelled", loop=task.get_name())
        task.cancel()
    if late:
        await asyncio.wait(late, timeout=5)
