"""Runs the demo: a fresh stack, the simulated world, the live view, and the audit."""

import asyncio
import contextlib
import signal
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
from rich.console import Console
from rich.live import Live

from deploy.local.addresses import sign_in_link
from deploy.local.commands import remove_state
from deploy.local.external import External
from deploy.local.ports import StackPorts
from deploy.local.progress import Display
from deploy.local.stack import Stack
from shared.contracts import followups, scores, sends
from tools.audit.audit import Installation, audit
from tools.audit.report import Report
from tools.demo.live_view import Snapshot, render, summary_line
from tools.demo.monitor import Monitor
from tools.demo.observations import DETRACTORS
from tools.demo.shop import Shop
from tools.demo.world import World
from tools.simulation.clock import RunningClock
from tools.simulation.mailbox import MailboxReader
from tools.simulation.sandbox import fresh_sandbox
from tools.simulation.shop import ShopBackend
from tools.simulation.visitor import Visitor

SPEED = 86_400
"""One day per second."""
ORDERS_PER_DAY = 12
SOURCE = "/shops/demo"
BRAND = {"HEARBACK_BRAND_NAME": "Pine & Pebble", "HEARBACK_BRAND_COLOR": "#1f6f5c"}
SUMMARY_SECONDS = 5.0
REFRESH_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class DemoResult:
    """The result of a bounded demo. ``missing`` names what should have happened but did not."""

    report: Report
    missing: tuple[str, ...]
    summary: str

    @property
    def adds_up(self) -> bool:
        return self.report.clean and not self.missing

    @property
    def last_line(self) -> str:
        if self.adds_up:
            return f"Everything adds up. {self.summary}."
        reasons = [self.report.summary().rstrip(".")] if not self.report.clean else []
        return f"It does not add up: {'; '.join((*reasons, *self.missing))}. {self.summary}."


class Demo:
    """``seed`` is the random seed of the simulation."""

    def __init__(self, state: Path, console: Console, seed: int) -> None:
        self._state = state
        self._console = console
        self._seed = seed

    async def run(self, seconds: float | None) -> DemoResult | None:
        """Runs for this many real seconds and then audits; with None, until cancelled.

        Raises StackError, BackendUnreachable, NotAcknowledged, httpx.HTTPError.
        """
        self._cancel_on_signals()
        async with fresh_sandbox(External.from_environment()) as sandbox:
            remove_state(self._state)
            self._state.mkdir(parents=True)
            opens_at = datetime.now(UTC).replace(hour=8, minute=0, second=0, microsecond=0)
            clock = RunningClock(self._state / "clock", opens_at, SPEED)
            parts: dict[str, str] = {}
            with Display(self._console) as display:

                def report(part: str, status: str) -> None:
                    parts[part] = status
                    display.show(parts)

                stack = Stack(
                    state=self._state,
                    ports=StackPorts.from_environment(),
                    clock=clock.setting,
                    environment=BRAND,
                    topic_prefix=sandbox.topic_prefix,
                    external=sandbox.external,
                    report=report,
                )
                await stack.up()
            try:
                return await self._simulate(stack, clock, opens_at, seconds)
            finally:
                await self._stop(stack)

    def _cancel_on_signals(self) -> None:
        """Makes SIGTERM and SIGHUP (a closed terminal) an orderly shutdown, as Ctrl-C is by default."""
        demo = asyncio.current_task()
        assert demo is not None
        for number in (signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, demo.cancel)

    async def _stop(self, stack: Stack) -> None:
        self._console.print("Stopping everything …")
        # A second, impatient signal would interrupt the shutdown and leave processes running.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, lambda: None)
        await stack.down()

    async def _simulate(
        self, stack: Stack, clock: RunningClock, opens_at: datetime, seconds: float | None
    ) -> DemoResult | None:
        headers = {"Authorization": f"Bearer {stack.api_key}"}
        async with (
            httpx.AsyncClient(timeout=30) as visitors,
            httpx.AsyncClient(timeout=10, headers=headers) as staff,
            ShopBackend(stack.kafka_bootstrap_servers, source=SOURCE, topic_prefix=stack.topic_prefix) as backend,
        ):
            world = World(
                self._seed,
                clock,
                Shop(self._seed, opens_at, ORDERS_PER_DAY),
                backend,
                MailboxReader(visitors, stack.url("mailbox")),
                Visitor(visitors),
            )
            monitor = Monitor(
                staff,
                bootstrap_servers=stack.kafka_bootstrap_servers,
                prefix=stack.topic_prefix,
                scorer_url=stack.url("scorer"),
                acknowledged_at=world.acknowledged_at,
            )

            def snapshot() -> Snapshot:
                now = clock.now()
                days = (now - opens_at) / timedelta(days=1)
                return Snapshot(now, days, world.activity, monitor.observations, links_to(stack))

            async with asyncio.TaskGroup() as tasks:
                observers = [tasks.create_task(monitor.run()), tasks.create_task(self._show_progress(snapshot))]
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(seconds):
                        await world.run()
                # From here on, time stands still: only then can served and expected values be compared.
                self._console.print("Time is up. Stopping the clock and auditing …")
                await world.settle()
                report = await audit(Installation.from_environment(stack.client_environment()))
                for task in observers:
                    task.cancel()
            return DemoResult(report, missing_outcomes(snapshot()), summary_line(snapshot()))

    async def _show_progress(self, snapshot: Callable[[], Snapshot]) -> None:
        """Shows the live view in a terminal, otherwise a line every few seconds."""
        if not self._console.is_terminal:
            for title, address in snapshot().links.items():
                self._console.print(f"{title}: {address}", soft_wrap=True, highlight=False)
            printed = ""
            while True:
                await asyncio.sleep(SUMMARY_SECONDS)
                if (current := summary_line(snapshot())) != printed:
                    self._console.print(current, highlight=False, soft_wrap=True)
                    printed = current
        with Live(render(snapshot(), self._console.height), console=self._console, refresh_per_second=4) as live:
            while True:
                await asyncio.sleep(REFRESH_SECONDS)
                live.update(render(snapshot(), self._console.height))


def links_to(stack: Stack) -> dict[str, str]:
    """The URLs to open."""
    return {
        "dashboard": sign_in_link(stack.ports.scorer, stack.api_key),
        "support inbox": sign_in_link(stack.ports.alerter, stack.api_key),
        "customers' mail": f"{stack.url('mailbox')}/",
    }


def missing_outcomes(snapshot: Snapshot) -> tuple[str, ...]:
    """What a working loop should have done by the end, but did not."""
    expected = {
        "no survey was sent": snapshot.observations.count(sends.TOPIC, sends.SENT),
        "no email was delivered": snapshot.activity.mails,
        "nobody answered": snapshot.activity.answers,
        "no score was published": snapshot.observations.count(scores.TOPIC),
        "no detractor became a case": snapshot.observations.count(DETRACTORS, followups.OPENED),
    }
    return tuple(problem for problem, number in expected.items() if not number)
