"""The soak from beginning to end: a stack behind proxies, a shop and its customers, faults; then healing and checks."""

import asyncio
import contextlib
import json
import pickle
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

from deploy.local.commands import remove_state
from deploy.local.ports import StackPorts, free_port
from deploy.local.stack import Route, Stack
from shared.processes import PROCESSES, SERVICES
from tests.faults.soak import journal as journals
from tests.faults.soak.customers import Customers
from tests.faults.soak.faults import Faults
from tests.faults.soak.journal import Journal
from tests.faults.soak.outside import Addresses, gather
from tests.faults.soak.poison import TOPICS, Poison
from tests.faults.soak.recomputation import recompute, segments_to_ask
from tests.faults.soak.recomputation.expected import Comparison
from tests.faults.soak.shop import DOMAIN, FAMILY_NAME
from tests.kit.http import http_client
from tests.kit.proxy import Proxy
from tests.kit.smtp_proxy import SmtpProxy
from tools.audit.audit import Installation, audit
from tools.audit.report import Report
from tools.simulation.clock import RunningClock

SPEED = 3_600
"""An hour a second: an order is delivered, asked about and answered within a minute."""
CATCHING_UP = 12 * SPEED
"""Once everything has healed."""
PASSING = 10 * 24 * 3_600
"""Once everybody is done but some surveys wait for the end of a quiet period."""
MAIL_IS_READ_SECONDS = 1.0
DRAIN_SECONDS = 240.0
REPLICAS = 2
COUNT_SECONDS = 10.0
CAMPAIGN: dict[str, Any] = {
    "id": "soak-nps",
    "trigger": {"after": "order.delivered", "delay": "8 hours"},
    "valid_for": "60 days",
    "answer_within_days": 60,
    "subject_of_question": "service",
}
SETTINGS = {
    "HEARBACK_QUIET_PERIOD_DAYS": "2",
    "HEARBACK_CONSUMER_SESSION_SECONDS": "6",
    "HEARBACK_COURIER_LEASE_SECONDS": "8",
    "HEARBACK_COURIER_MAIL_SECONDS": "3",
    "HEARBACK_COURIER_RETRY_SECONDS": "0.5",
    "HEARBACK_COURIER_RETRY_LIMIT_SECONDS": "4",
    "HEARBACK_RETRY_LIMIT_SECONDS": "2",
}

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How a soak ended; ``seconds`` and ``drained_after`` are real."""

    seed: int
    seconds: float
    drained_after: float
    faults: Mapping[str, int]
    counts: Mapping[str, int]
    audit: Report
    comparisons: Mapping[str, Comparison]

    @property
    def clean(self) -> bool:
        return self.audit.clean and not any(one.differences for one in self.comparisons.values())


class Soak:
    """``state`` is deleted first, and again after a clean end; otherwise it keeps the journal and the logs."""

    def __init__(self, state: Path, seed: int, seconds: float, say: Say, orders_per_second: float = 1.0) -> None:
        self._state = state.resolve()
        self._seed = seed
        self._seconds = seconds
        self._say = say
        self._orders_per_second = orders_per_second

    async def run(self) -> Verdict:
        """Raises StackError, NotAcknowledged, BackendUnreachable, TimeoutError, or what stopped a task."""
        await asyncio.to_thread(remove_state, self._state)
        (self._state / "campaigns").mkdir(parents=True)
        (self._state / "campaigns" / "soak-nps.yaml").write_text(json.dumps(CAMPAIGN))
        opens_at = datetime.now(UTC).replace(hour=8, minute=0, second=0, microsecond=0)
        clock = RunningClock(self._state / "clock", opens_at, SPEED)
        journal = Journal(self._state / "journal.jsonl", clock.now)
        ports = StackPorts.free()
        try:
            async with proxies_for(ports, Random(self._seed)) as (routes, proxies, smtp):
                stack = Stack(
                    state=self._state,
                    ports=ports,
                    clock=clock.setting,
                    campaigns=self._state / "campaigns",
                    environment=SETTINGS,
                    environment_of={"courier": {"HEARBACK_SMTP_URL": f"smtp://127.0.0.1:{smtp.address[1]}"}},
                    replicas=dict.fromkeys(PROCESSES, REPLICAS),
                    routes=routes,
                )
                await stack.up()
                self._say(f"seed {self._seed}: everything is ready, faults for {self._seconds:.0f} s")
                try:
                    return await self._soak(stack, clock, journal, proxies, smtp)
                finally:
                    await self._end(stack)
        finally:
            journal.close()

    async def _end(self, stack: Stack) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.shield(asyncio.create_task(stack.down()))

    async def _soak(
        self,
        stack: Stack,
        clock: RunningClock,
        journal: Journal,
        proxies: Mapping[str, Mapping[str, Proxy]],
        smtp: SmtpProxy,
    ) -> Verdict:
        async with http_client(timeout=10) as client, background() as start:
            customers = Customers(self._seed, stack, clock, journal, client, self._orders_per_second)
            faults = self._faults(stack, proxies, smtp, customers, journal)
            start(clock.run())
            serving = start(customers.serve())
            start(self._count(journal))
            began = time.monotonic()
            try:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._seconds), asyncio.TaskGroup() as tasks:
                        tasks.create_task(customers.run())
                        tasks.create_task(faults.run())
                        tasks.create_task(_raise_from(serving))
                self._say("healing")
                await faults.heal()
            finally:
                faults.thaw()
            healed = time.monotonic()
            self._say("draining, and auditing")
            report = await self._drain(stack, clock, customers)
            drained_after = time.monotonic() - healed
            self._say("recomputing")
            comparisons = await self._recompute(stack)
            return Verdict(
                seed=self._seed,
                seconds=time.monotonic() - began,
                drained_after=drained_after,
                faults=faults.count,
                counts=journal.counts,
                audit=report,
                comparisons=comparisons,
            )

    def _faults(
        self,
        stack: Stack,
        proxies: Mapping[str, Mapping[str, Proxy]],
        smtp: SmtpProxy,
        customers: Customers,
        journal: Journal,
    ) -> Faults:
        random = Random(f"{self._seed}/faults")
        poison = Poison(random, stack.kafka_bootstrap_servers, journal)
        changed = 0

        async def publish_poison(name: str) -> None:
            topic = name.removeprefix("poison on ")
            with contextlib.suppress(Exception):  # without a broker, there is no poison either
                kinds = await asyncio.wait_for(poison.publish(topic), 30)
                faults.tell_other("poisoned", f"{topic} ({kinds})")

        async def change_campaign(name: str) -> None:
            nonlocal changed
            changed += 1
            faults.tell_other(name, "the campaign's valid_for")
            await customers.change_campaign({**CAMPAIGN, "valid_for": f"{60 + changed} days"})

        async def change_routing(name: str) -> None:
            nonlocal changed
            changed += 1
            tier = random.choice(("gold", "silver", "basic"))
            faults.tell_other(name, f"detractors of tier {tier} go to vip")
            await customers.change_routing(routing_with_vip(tier), {tier: "vip"})

        others = {f"poison on {topic}": publish_poison for topic in TOPICS}
        faults = Faults(
            random,
            stack,
            proxies,
            smtp,
            {**others, "campaign changed": change_campaign, "routing changed": change_routing},
            journal,
            self._say,
        )
        return faults

    async def _drain(self, stack: Stack, clock: RunningClock, customers: Customers) -> Report:
        """Completes every order and visit, and lets time pass until nothing is due any more. Then time stands still,
        and the audit is of everything; raises TimeoutError if that takes too long."""
        installation = Installation.from_environment(stack.client_environment())
        async with asyncio.timeout(DRAIN_SECONDS):
            while True:
                clock.speed = CATCHING_UP
                await customers.finish()
                clock.speed = 0
                report = await audit(installation, within=DRAIN_SECONDS)
                await asyncio.sleep(MAIL_IS_READ_SECONDS)
                if customers.busy:
                    continue
                if not report.clean or not report.pending:
                    return report
                clock.speed = PASSING
                await asyncio.sleep(1)

    async def _recompute(self, stack: Stack) -> Mapping[str, Comparison]:
        path = self._state / "journal.jsonl"
        addresses = Addresses(
            kafka=stack.kafka_bootstrap_servers,
            urls={service: stack.url(service) for service in SERVICES},
            mailbox_url=stack.url("mailbox"),
            api_key=stack.api_key,
            logs=self._state / "logs",
        )
        segments = segments_to_ask(journals.read(path))
        evidence = await gather(path, addresses, segments, [CAMPAIGN["id"]], [DOMAIN, FAMILY_NAME])
        (self._state / "evidence.pickle").write_bytes(pickle.dumps(evidence))
        return await asyncio.to_thread(recompute, evidence)

    async def _count(self, journal: Journal) -> None:
        while True:
            await asyncio.sleep(COUNT_SECONDS)
            self._say("           " + ", ".join(f"{count} {kind}" for kind, count in sorted(journal.counts.items())))


async def _raise_from(task: asyncio.Task[None]) -> None:
    await asyncio.shield(task)


def routing_with_vip(tier: str) -> dict[str, Any]:
    """The default rules, with a queue of its own for the detractors of one tier."""
    return {
        "queues": {"detractors": "Unhappy", "passives": "Lukewarm", "promoters": "Happy", "vip": "Very important"},
        "rules": [
            {
                "name": "vip", "group": "detractor", "segments": {"tier": tier}, "queue": "vip", "sla_hours": 2,
                "suggested_action": "Call.",
            },
            {
                "name": "unhappy", "group": "detractor", "queue": "detractors", "sla_hours": 24,
                "suggested_action": "Write.",
            },
            {"name": "lukewarm", "group": "passive", "queue": "passives", "suggested_action": "Look."},
            {"name": "happy", "group": "promoter", "queue": "promoters", "suggested_action": "Thank."},
        ],
    }  # fmt: skip


@asynccontextmanager
async def proxies_for(
    ports: StackPorts, random: Random
) -> AsyncIterator[tuple[dict[str, Route], dict[str, dict[str, Proxy]], SmtpProxy]]:
    """Between each instance and each of its backends, and between the couriers and the mailbox."""
    async with AsyncExitStack() as running:
        routes, proxies = {}, {}
        for process in PROCESSES:
            for number in range(1, REPLICAS + 1):
                name = process if number == 1 else f"{process}-{number}"
                listener = free_port()
                kafka = await running.enter_async_context(Proxy(f"127.0.0.1:{listener}"))
                postgresql = await running.enter_async_context(Proxy(f"127.0.0.1:{ports.postgresql}"))
                routes[name] = Route(kafka=kafka.address[1], kafka_listener=listener, postgresql=postgresql.address[1])
                proxies[name] = {"kafka": kafka, "postgresql": postgresql}
        smtp = await running.enter_async_context(SmtpProxy(f"127.0.0.1:{ports.smtp}", random))
        yield routes, proxies, smtp


@asynccontextmanager
async def background() -> AsyncIterator[Callable[[Any], asyncio.Task[Any]]]:
    """Yields what starts a task; all of them are cancelled at the end."""
    tasks: list[asyncio.Task[Any]] = []

    def start(work: Any) -> asyncio.Task[Any]:
        tasks.append(asyncio.create_task(work))
        return tasks[-1]

    try:
        yield start
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
