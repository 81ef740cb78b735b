"""The demo from its first line to its last: a fresh stack, the simulated world, the live picture, the audit."""

import asyncio
import contextlib
import signal
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import httpx
from rich.console import Console
from rich.live import Live

from deploy.local.__main__ import ports_from_environment
from deploy.local.backends import External
from deploy.local.commands import remove_state
from deploy.local.progress import Display
from deploy.local.stack import Stack
from tools.audit import Installation, Report, audit
from tools.demo.picture import Scene, line, picture
from tools.demo.shop import Shop
from tools.demo.watch import Watch
from tools.demo.world import World
from tools.simulation.clock import RunningClock
from tools.simulation.mailbox import MailboxReader
from tools.simulation.sandbox import fresh_sandbox
from tools.simulation.shop import ShopBackend
from tools.simulation.visitor import Visitor

SPEED = 86_400
"""A day passes in a second."""
ORDERS_A_DAY = 12
SOURCE = "/shops/demo"
BRAND = {"HEARBACK_BRAND_NAME": "Pine & Pebble", "HEARBACK_BRAND_COLOR": "#1f6f5c"}
LINE_SECONDS = 5.0
PICTURE_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Ending:
    """How a bounded demo ended; ``missing`` names what should have happened and did not, ``figures`` what did."""

    report: Report
    missing: tuple[str, ...]
    figures: str

    @property
    def adds_up(self) -> bool:
        return self.report.clean and not self.missing

    @property
    def last_line(self) -> str:
        if self.adds_up:
            return f"Everything adds up. {self.figures}."
        reasons = [self.report.sentence().rstrip(".")] if not self.report.clean else []
        return f"It does not add up: {'; '.join((*reasons, *self.missing))}. {self.figures}."


class Demo:
    """``seed`` decides everything that is left to chance."""

    def __init__(self, state: Path, console: Console, seed: int) -> None:
        self._state = state
        self._console = console
        self._seed = seed

    async def run(self, seconds: float | None) -> Ending | None:
        """Runs for so many real seconds and then audits, or, without a bound, until cancelled.

        Raises StackError, BackendUnreachable, NotAcknowledged, httpx.HTTPError.
        """
        self._stop_when_told()
        async with fresh_sandbox(External.from_environment()) as sandbox:
            remove_state(self._state)
            self._state.mkdir(parents=True)
            opens_at = datetime.now(UTC).replace(hour=8, minute=0, second=0, microsecond=0)
            clock = RunningClock(self._state / "clock", opens_at, SPEED)
            parts: dict[str, str] = {}
            with Display(self._console) as display:

                def report(part: str, doing: str) -> None:
                    parts[part] = doing
                    display.show(parts)

                stack = Stack(
                    state=self._state,
                    ports=ports_from_environment(),
                    clock=clock.setting,
                    environment=BRAND,
                    topic_prefix=sandbox.topic_prefix,
                    external=sandbox.external,
                    report=report,
                )
                await stack.up()
            try:
                return await self._play(stack, clock, opens_at, seconds)
            finally:
                await self._stop(stack)

    def _stop_when_told(self) -> None:
        """A closed terminal and a plain kill end everything in order too, as Ctrl-C does by itself."""
        demo = asyncio.current_task()
        assert demo is not None
        for number in (signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, demo.cancel)

    async def _stop(self, stack: Stack) -> None:
        self._console.print("Stopping everything …")
        # A second one, from somebody who thinks the first was not heard, would leave half of it running.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, lambda: None)
        await stack.down()

    async def _play(
        self, stack: Stack, clock: RunningClock, opens_at: datetime, seconds: float | None
    ) -> Ending | None:
        headers = {"Authorization": f"Bearer {stack.api_key}"}
        async with (
            httpx.AsyncClient(timeout=30) as visitors,
            httpx.AsyncClient(timeout=10, headers=headers) as staff,
            ShopBackend(stack.kafka_bootstrap_servers, SOURCE, topic=f"{stack.topic_prefix}orders") as backend,
        ):
            world = World(
                self._seed,
                clock,
                Shop(self._seed, opens_at, ORDERS_A_DAY),
                backend,
                MailboxReader(visitors, stack.url("mailbox")),
                Visitor(visitors),
            )
            watch = Watch(staff, stack.kafka_bootstrap_servers, stack.topic_prefix, stack.url("scorer"), world.given)

            def scene() -> Scene:
                now = clock.now()
                days = (now - opens_at) / timedelta(days=1)
                return Scene(now, days, world.done, watch.figures, links_of(stack))

            async with asyncio.TaskGroup() as around:
                looking = [around.create_task(watch.run()), around.create_task(self._show(scene))]
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(seconds):
                        await world.run()
                # Time stands still from here on: only then can what is served be compared with what should be.
                self._console.print("The time is up: time stands still, and everything is recomputed and compared …")
                await world.settle()
                report = await audit(Installation.from_environment(stack.client_environment()))
                for task in looking:
                    task.cancel()
            return Ending(report, missing_in(scene()), line(scene()))

    async def _show(self, scene: Callable[[], Scene]) -> None:
        """The picture in a terminal; a line every few seconds elsewhere."""
        if not self._console.is_terminal:
            for title, address in scene().links.items():
                self._console.print(f"{title}: {address}", soft_wrap=True, highlight=False)
            told = ""
            while True:
                await asyncio.sleep(LINE_SECONDS)
                if (news := line(scene())) != told:
                    self._console.print(news, highlight=False, soft_wrap=True)
                    told = news
        with Live(picture(scene(), self._console.height), console=self._console, refresh_per_second=4) as live:
            while True:
                await asyncio.sleep(PICTURE_SECONDS)
                live.update(picture(scene(), self._console.height))


def links_of(stack: Stack) -> dict[str, str]:
    """Where to look; the key stands behind #, which browsers keep to themselves."""
    key = f"#key={quote(stack.api_key)}"
    return {
        "dashboard": f"{stack.url('scorer')}/sign-in?next=/{key}",
        "support inbox": f"{stack.url('alerter')}/sign-in?next=/{key}",
        "customers' mail": f"{stack.url('mailbox')}/",
    }


def missing_in(scene: Scene) -> tuple[str, ...]:
    """What a loop that works must have brought about by the end, and did not."""
    wanted = {
        "no survey was sent": scene.figures.count("surveys.sends", "survey.sent"),
        "no mail was delivered": scene.done.mails,
        "nobody answered": scene.done.answers,
        "no score was published": scene.figures.count("nps.scores"),
        "no detractor became a case": scene.figures.count("followups.detractors", "case.opened"),
    }
    return tuple(sentence for sentence, number in wanted.items() if not number)
