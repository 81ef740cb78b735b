"""The faults: chosen by the seed, at most some at a time, each ended by itself, all of them at the end."""

import asyncio
import contextlib
import os
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from random import Random

from deploy.local.errors import StackError
from deploy.local.programs import BACKENDS
from deploy.local.stack import Stack
from shared.processes import PROCESSES
from tests.faults.soak.journal import Journal
from tests.kit.proxy import Proxy
from tests.kit.smtp_proxy import MOODS, SmtpProxy

AT_ONCE = 3
PAUSE_SECONDS = (0.3, 4.0)
FROZEN_SECONDS = (2.0, 24.0)
"""Up to more than every lease and session."""
CUT_SECONDS = (1.0, 25.0)
DOWN_SECONDS = (0.5, 12.0)
MOOD_SECONDS = (3.0, 15.0)

READY_ATTEMPTS = 4
"""Of a minute each."""
_MAIL_SERVER = "mail server: "

Fault = Callable[[str], Awaitable[None]]


class Faults:
    """``run`` until cancelled, then ``heal``. ``others`` are faults by name that need no healing.

    Every fault is dealt once before one comes again.
    """

    def __init__(
        self,
        random: Random,
        stack: Stack,
        proxies: Mapping[str, Mapping[str, Proxy]],
        smtp: SmtpProxy,
        others: Mapping[str, Fault],
        journal: Journal,
        say: Callable[[str], None],
    ) -> None:
        self._random = random
        self._stack = stack
        self._proxies = proxies
        self._smtp = smtp
        self._journal = journal
        self._say = say
        self._began = time.monotonic()
        self._busy: set[str] = set()
        self._running: set[asyncio.Task[None]] = set()
        self._frozen: dict[str, int] = {}
        self._ending = asyncio.Event()
        self._failure: BaseException | None = None
        self.count: Counter[str] = Counter()
        instances = tuple(proxies)
        self._faults: dict[str, tuple[Fault, tuple[str, ...]]] = {
            "killed": (self._kill, instances),
            "frozen": (self._freeze, instances),
            "cut off from Kafka": (self._cut_kafka, instances),
            "cut off from PostgreSQL": (self._cut_postgresql, instances),
            "stopped and started": (self._restart, BACKENDS),
            "killed at once": (self._kill_backend, BACKENDS),
            "in a mood": (self._spoil_mail, tuple(f"{_MAIL_SERVER}{mood}" for mood in MOODS)),
            **{name: (fault, (name,)) for name, fault in others.items()},
        }

    async def run(self) -> None:
        deck: list[tuple[str, str]] = []
        while True:
            self.check()
            if not deck:
                first = not self._journal.counts.get("fault")
                deck = [
                    (name, target)
                    for name, (_, targets) in self._faults.items()
                    for target in (self._enough(name, targets) if first else targets)
                ]
                self._random.shuffle(deck)
            await asyncio.sleep(self._random.uniform(*PAUSE_SECONDS))
            while len(self._running) >= AT_ONCE:
                await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
            free = [card for card in deck if _place(card[1]) not in self._busy]
            if free:
                deck.remove(free[0])
                task = asyncio.create_task(self._suffer(*free[0]))
                self._running.add(task)
                task.add_done_callback(self._running.discard)

    def _enough(self, name: str, targets: tuple[str, ...]) -> tuple[str, ...]:
        """For the first round, so that a short run has every fault: both backends and a kill of each process, of any
        other fault one."""
        if name == "killed":
            return tuple(self._random.choice((process, f"{process}-2")) for process in PROCESSES)
        return targets if targets == BACKENDS else (self._random.choice(targets),)

    async def heal(self) -> None:
        """Ends what has not ended yet, and returns when every process is ready."""
        self._ending.set()
        await asyncio.gather(*self._running)
        self.check()
        await self._ready(*BACKENDS)
        for doors in self._proxies.values():
            for proxy in doors.values():
                await proxy.heal()
        await self._ready()

    async def _ready(self, *names: str) -> None:
        """A busy machine may take longer than a stack usually waits, above all after a kill."""
        for _ in range(READY_ATTEMPTS - 1):
            with contextlib.suppress(StackError):
                await self._stack.ready(*names)
                return
        await self._stack.ready(*names)

    def thaw(self) -> None:
        for name in list(self._frozen):
            self._resume(name)

    def check(self) -> None:
        """Raises what went wrong in the making of a fault."""
        if self._failure is not None:
            raise self._failure

    async def _suffer(self, name: str, target: str) -> None:
        fault, _ = self._faults[name]
        self._busy.add(_place(target))
        try:
            await fault(target)
        except Exception as error:
            self._failure = self._failure or error
        finally:
            self._busy.discard(_place(target))

    async def _last(self, seconds: float) -> None:
        """Less, when everything is to heal."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._ending.wait(), seconds)

    def _tell(self, name: str, target: str, seconds: float = 0.0) -> None:
        real = time.monotonic() - self._began
        self.count[name] += 1
        self._journal.write("fault", name=name, target=target, seconds=round(seconds, 1), real=round(real, 1))
        lasting = f" for {seconds:.1f} s" if seconds else ""
        self._say(f"{real:7.1f} s  {target}: {name}{lasting}")

    async def _kill(self, target: str) -> None:
        self._tell("killed", target)
        await self._stack.kill(target)

    async def _freeze(self, target: str) -> None:
        running = self._stack.running.get(target)
        if running is None:
            return
        seconds = self._random.uniform(*FROZEN_SECONDS)
        self._tell("frozen", target, seconds)
        self._frozen[target] = running.pid
        os.kill(running.pid, signal.SIGSTOP)
        try:
            await self._last(seconds)
        finally:
            self._resume(target)

    def _resume(self, target: str) -> None:
        pid = self._frozen.pop(target, None)
        running = self._stack.running.get(target)
        if pid is not None and running is not None and running.pid == pid:
            os.kill(pid, signal.SIGCONT)

    async def _cut_kafka(self, target: str) -> None:
        await self._cut("cut off from Kafka", target, self._proxies[target]["kafka"])

    async def _cut_postgresql(self, target: str) -> None:
        await self._cut("cut off from PostgreSQL", target, self._proxies[target]["postgresql"])

    async def _cut(self, name: str, target: str, proxy: Proxy) -> None:
        seconds = self._random.uniform(*CUT_SECONDS)
        self._tell(name, target, seconds)
        proxy.cut()
        try:
            await self._last(seconds)
        finally:
            await proxy.heal()

    async def _restart(self, target: str) -> None:
        seconds = self._random.uniform(*DOWN_SECONDS)
        self._tell("stopped and started", target, seconds)
        await self._stack.stop(target)
        await self._last(seconds)
        with contextlib.suppress(StackError):  # not yet
            await self._stack.start(target)
        await self._ready(target)

    async def _kill_backend(self, target: str) -> None:
        self._tell("killed at once", target)
        if target == "kafka":
            await self._stack.kill(target)
        elif (running := self._stack.running.get(target)) is not None:
            # PostgreSQL's immediate shutdown: what a crash is, but its sessions' processes end as well.
            os.kill(running.pid, signal.SIGQUIT)
        await self._ready(target)

    async def _spoil_mail(self, target: str) -> None:
        self._smtp.mood = next(mood for mood in MOODS if target == f"{_MAIL_SERVER}{mood}")
        seconds = self._random.uniform(*MOOD_SECONDS)
        self._tell("in a mood", target, seconds)
        try:
            await self._last(seconds)
        finally:
            self._smtp.mood = "fine"

    def tell_other(self, name: str, what: str) -> None:
        """Of a fault from outside, once it has happened."""
        self._tell(name, what)


def _place(target: str) -> str:
    """Where only one fault happens at a time: the mail server has one mood."""
    return _MAIL_SERVER if target.startswith(_MAIL_SERVER) else target
