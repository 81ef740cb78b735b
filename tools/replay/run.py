"""A replay from its first line to its last: a stack of its own, the driver, the audit, the comparison."""

from dataclasses import replace
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Protocol

import httpx

from deploy.local.__main__ import ports_from_environment
from deploy.local.backends import External
from deploy.local.commands import remove_state
from deploy.local.stack import Stack
from shared.clock import SteppedClock
from tools.audit import Installation, Report, audit
from tools.replay import history, olist, oracle
from tools.replay.driver import Count, Driver, Plan, plan
from tools.replay.journal import Journal, Progress, fingerprint
from tools.replay.ledger import Dispatcher
from tools.replay.outcome import Outcome, compare
from tools.simulation.mailbox import MailboxReader
from tools.simulation.sandbox import fresh_sandbox
from tools.simulation.shop import ShopBackend
from tools.simulation.visitor import Visitor

CAMPAIGNS = Path(__file__).parent / "campaigns"
SOURCE = "/olist"
SETTINGS = {
    "HEARBACK_TIMEZONE": olist.ZONE.key,
    "HEARBACK_BRAND_NAME": "Olist",
    # The driver waits for each step's timers: looking for them often is most of the replay's speed.
    "HEARBACK_TIMER_SECONDS": "0.02",
}


class Watcher(Protocol):
    """Is told how far a replay is."""

    def doing(self, part: str, what: str) -> None: ...

    def step_done(self, count: Count) -> None: ...


class Replay:
    """Reads the past when made. Raises MissingData."""

    def __init__(self, data: Path, step: timedelta, state: Path, *, fresh: bool = False) -> None:
        self.past = olist.read_past(data)
        events = history.events_of(self.past.orders)
        steps = oracle.Steps(_midnight_before(events[0].occurred_at), step)
        self.asks = oracle.asked(self.past.orders, steps)
        self.plan: Plan = plan(events, self.asks, steps)
        self.state = state
        self._journal = Journal(state / "progress.json")
        beginning = Progress(fingerprint(data), step / timedelta(hours=1))
        earlier = self._journal.read()
        goes_on = earlier is not None and not earlier.finished and replace(earlier, done=-1) == beginning
        self.progress = earlier if earlier is not None and goes_on and not fresh else beginning

    @property
    def goes_on(self) -> bool:
        """Whether this continues a replay that was broken off."""
        return self.progress.done >= 0

    async def run(self, watcher: Watcher) -> tuple[Report, Outcome]:
        """Raises StackError, Stuck, NotAcknowledged, BackendUnreachable, httpx.HTTPError."""
        async with fresh_sandbox(External.from_environment()) as sandbox:
            if sandbox.external != External():
                self.progress = replace(self.progress, done=-1)  # a new sandbox holds nothing of an earlier run
            if not self.goes_on:
                remove_state(self.state)
            self.state.mkdir(parents=True, exist_ok=True)
            self._journal.write(self.progress)
            clock_file = self.state / "clock"
            clock = SteppedClock(clock_file) if self.goes_on else SteppedClock.create(clock_file, self.plan.steps.start)
            stack = Stack(
                state=self.state,
                ports=ports_from_environment(),
                clock=f"file:{clock_file}",
                campaigns=CAMPAIGNS,
                environment=SETTINGS,
                topic_prefix=sandbox.topic_prefix,
                external=sandbox.external,
                report=watcher.doing,
            )
            async with stack:
                await self._drive(stack, clock, watcher)
                watcher.doing("audit", "comparing everything")
                report = await audit(Installation.from_environment(stack.client_environment()))
                outcome = await compare(
                    self.past.orders, self.asks, stack.database.owner_url, stack.url("scorer"), stack.api_key
                )
        self._journal.write(replace(self.progress, finished=True))
        return report, outcome

    async def _drive(self, stack: Stack, clock: SteppedClock, watcher: Watcher) -> None:
        def step_done(number: int, count: Count) -> None:
            self.progress = replace(self.progress, done=number)
            self._journal.write(self.progress)
            watcher.step_done(count)

        dispatcher = Dispatcher(stack.database.owner_url, stack.kafka_bootstrap_servers, stack.topic_prefix)
        async with (
            httpx.AsyncClient(timeout=30) as client,
            ShopBackend(
                stack.kafka_bootstrap_servers, SOURCE, topic=f"{stack.topic_prefix}orders", patience_seconds=240
            ) as shop,
        ):
            mailbox = MailboxReader(client, stack.url("mailbox"))
            driver = Driver(self.plan, clock, shop, dispatcher, mailbox, Visitor(client), step_done)
            try:
                await driver.run(after=self.progress.done)
            finally:
                await dispatcher.close()


def _midnight_before(moment: datetime) -> datetime:
    return datetime.combine(moment.astimezone(olist.ZONE).date(), time(), olist.ZONE).astimezone(moment.tzinfo)
