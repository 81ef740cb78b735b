"""Runs a whole replay: its own stack, the driver, the audit, and the comparison."""

from dataclasses import replace
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Protocol

import httpx

from deploy.local.commands import remove_state
from deploy.local.external import External
from deploy.local.ports import StackPorts
from deploy.local.stack import Stack
from shared.clock import SteppedClock
from tools.audit.audit import Installation, audit
from tools.audit.report import Report
from tools.replay import history, olist, oracle
from tools.replay.dispatcher import Dispatcher
from tools.replay.driver import Counters, Driver
from tools.replay.journal import Journal, Progress, fingerprint
from tools.replay.outcome import Outcome, compare
from tools.replay.plan import Plan, make_plan
from tools.simulation.mailbox import MailboxReader
from tools.simulation.sandbox import fresh_sandbox
from tools.simulation.shop import ShopBackend
from tools.simulation.visitor import Visitor

CAMPAIGNS = Path(__file__).parent / "campaigns"
SOURCE = "/olist"
SETTINGS = {
    "HEARBACK_TIMEZONE": olist.ZONE.key,
    "HEARBACK_BRAND_NAME": "Olist",
    # A step's events are published before the clock moves to its end: they lie ahead of it, by as much as a year.
    "HEARBACK_ORDER_CLOCK_SKEW_MINUTES": "100000000",
    # Some answered long after their survey, which is open for ten years here.
    "HEARBACK_SURVEYS_KEPT_DAYS": "3650",
    # The driver waits for each step's records and timers, so the replay's speed mostly depends on looking often.
    "HEARBACK_CONSUMER_INTERVAL_SECONDS": "0.01",
    "HEARBACK_TIMER_SECONDS": "0.02",
}


class ProgressListener(Protocol):
    """Receives a replay's progress."""

    def stack_progress(self, part: str, status: str) -> None: ...

    def step_done(self, counters: Counters) -> None: ...


class Replay:
    """Reads the data set on creation. Raises InvalidDataSet."""

    def __init__(self, data: Path, *, step: timedelta, state: Path, fresh: bool = False) -> None:
        self.data_set = olist.read_data_set(data)
        events = history.events_of(self.data_set.orders)
        steps = oracle.Steps(_midnight_before(events[0].occurred_at), step)
        self.surveys = oracle.expected_surveys(self.data_set.orders, steps)
        self.plan: Plan = make_plan(events, self.surveys, steps)
        self.state = state
        self._journal = Journal(state / "progress.json")
        beginning = Progress(fingerprint(data), step / timedelta(hours=1))
        earlier = self._journal.read()
        resumes = earlier is not None and not earlier.finished and replace(earlier, completed_step=-1) == beginning
        self.progress = earlier if earlier is not None and resumes and not fresh else beginning

    @property
    def resumes(self) -> bool:
        """Whether this continues an interrupted replay."""
        return self.progress.completed_step >= 0

    async def run(self, listener: ProgressListener) -> tuple[Report, Outcome]:
        """Raises StackError, Stuck, NotAcknowledged, BackendUnreachable, httpx.HTTPError."""
        async with fresh_sandbox(External.from_environment()) as sandbox:
            if sandbox.external != External():
                self.progress = replace(self.progress, completed_step=-1)  # a new sandbox has no data of an earlier run
            if not self.resumes:
                remove_state(self.state)
            self.state.mkdir(parents=True, exist_ok=True)
            self._journal.write(self.progress)
            clock_file = self.state / "clock"
            clock = SteppedClock(clock_file) if self.resumes else SteppedClock.create(clock_file, self.plan.steps.start)
            stack = Stack(
                state=self.state,
                ports=StackPorts.from_environment(),
                clock=f"file:{clock_file}",
                campaigns=CAMPAIGNS,
                environment=SETTINGS,
                topic_prefix=sandbox.topic_prefix,
                external=sandbox.external,
                report=listener.stack_progress,
            )
            async with stack:
                await self._drive(stack, clock, listener)
                listener.stack_progress("audit", "comparing everything")
                report = await audit(Installation.from_environment(stack.client_environment()))
                outcome = await compare(
                    self.data_set.orders,
                    self.surveys,
                    database_url=stack.database.owner_url,
                    scorer_url=stack.url("scorer"),
                    api_key=stack.api_key,
                )
        self._journal.write(replace(self.progress, finished=True))
        return report, outcome

    async def _drive(self, stack: Stack, clock: SteppedClock, listener: ProgressListener) -> None:
        def step_done(number: int, counters: Counters) -> None:
            self.progress = replace(self.progress, completed_step=number)
            self._journal.write(self.progress)
            listener.step_done(counters)

        dispatcher = Dispatcher(
            stack.database.owner_url,
            bootstrap_servers=stack.kafka_bootstrap_servers,
            topic_prefix=stack.topic_prefix,
        )
        async with (
            httpx.AsyncClient(timeout=30) as client,
            ShopBackend(
                stack.kafka_bootstrap_servers, source=SOURCE, topic_prefix=stack.topic_prefix, timeout_seconds=240
            ) as shop,
        ):
            mailbox = MailboxReader(client, stack.url("mailbox"))
            driver = Driver(self.plan, clock, shop, dispatcher, mailbox, Visitor(client), step_done)
            try:
                await driver.run(after=self.progress.completed_step)
            finally:
                await dispatcher.close()


def _midnight_before(moment: datetime) -> datetime:
    return datetime.combine(moment.astimezone(olist.ZONE).date(), time(), olist.ZONE).astimezone(moment.tzinfo)
