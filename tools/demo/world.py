"""Time passing at the simulated shop: orders come in, mails are read, customers visit. All through Hearback's doors."""

import asyncio
import heapq
import time
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime

from shared.nps import group_of
from tools.demo.customers import Action, reaction
from tools.demo.shop import Shop
from tools.simulation.clock import RunningClock
from tools.simulation.mailbox import Mail, MailboxReader
from tools.simulation.shop import ShopBackend
from tools.simulation.visitor import Visitor

SHOP_SECONDS = 0.1
MAILBOX_SECONDS = 0.2
VISIT_SECONDS = 0.05
VISITORS = 16
REMEMBERED = 1_000


@dataclass(slots=True)
class Done:
    """What the simulated world did so far."""

    events: int = 0
    orders: int = 0
    mails: int = 0
    answers: int = 0
    amended: int = 0
    comments: int = 0
    scanned: int = 0
    unsubscribed: int = 0


@dataclass(frozen=True, slots=True)
class Visit:
    mail: Mail
    action: Action


class World:
    """``run`` lets it go on until cancelled; ``settle`` ends what customers have begun."""

    def __init__(
        self, seed: int, clock: RunningClock, shop: Shop, backend: ShopBackend, mailbox: MailboxReader, visitor: Visitor
    ) -> None:
        self._seed = seed
        self._clock = clock
        self._shop = shop
        self._backend = backend
        self._mailbox = mailbox
        self._visitor = visitor
        self._planned: list[tuple[datetime, int, Visit]] = []
        self._number = 0
        self._visits: set[asyncio.Task[None]] = set()
        self.done = Done()
        self.given: OrderedDict[str, float] = OrderedDict()
        """Detractors' answers, by id, with the real moment each was acknowledged; the newest only."""

    async def run(self) -> None:
        """Raises BackendUnreachable, NotAcknowledged or httpx.HTTPError."""
        async with asyncio.TaskGroup() as together:
            together.create_task(self._clock.run())
            together.create_task(self._sell())
            together.create_task(self._read_mail())
            together.create_task(self._visit())

    async def settle(self) -> None:
        """Waits for visits under way; those planned for later do not happen any more."""
        self._planned.clear()
        await asyncio.gather(*self._visits)

    async def _sell(self) -> None:
        while True:
            events = self._shop.until(self._clock.now())
            if events:
                await self._backend.publish(events)
            self.done.events += len(events)
            self.done.orders = len(self._shop.orders)
            await asyncio.sleep(SHOP_SECONDS)

    async def _read_mail(self) -> None:
        while True:
            for mail in await self._mailbox.new():
                self._react(mail)
            await asyncio.sleep(MAILBOX_SECONDS)

    def _react(self, mail: Mail) -> None:
        order = self._shop.latest_order_of(mail.to)
        if order is None or not mail.answer_links:
            return
        self.done.mails += 1
        now = self._clock.now()
        for action in reaction(self._seed, mail.send_id, order, now):
            self._number += 1
            heapq.heappush(self._planned, (now + action.after, self._number, Visit(mail, action)))

    async def _visit(self) -> None:
        while True:
            now = self._clock.now()
            while self._planned and self._planned[0][0] <= now and len(self._visits) < VISITORS:
                visit = heapq.heappop(self._planned)[2]
                task = asyncio.create_task(self._make(visit))
                self._visits.add(task)
                task.add_done_callback(self._visits.discard)
            for task in [task for task in self._visits if task.done()]:
                task.result()
            await asyncio.sleep(VISIT_SECONDS)

    async def _make(self, visit: Visit) -> None:
        mail, action, done = visit.mail, visit.action, self.done
        match action.kind:
            case "look":
                await self._visitor.look(f"{mail.answer_url}?score={action.score or 0}")
            case "scan":
                for link in mail.links:
                    await self._visitor.look(link)
                done.scanned += 1
            case "unsubscribe" if mail.unsubscribe_url is not None:
                await self._visitor.unsubscribe(mail.unsubscribe_url)
                done.unsubscribed += 1
            case "answer" | "comment" if action.score is not None:
                acknowledged = await self._visitor.answer(mail.answer_url, action.score)
                if acknowledged.revision == 1:
                    done.answers += 1
                    self._note(acknowledged.answer_id, action.score)
                else:
                    done.amended += 1
                if action.comment is not None:
                    await self._visitor.answer(mail.answer_url, action.score, action.comment)
                    done.comments += 1

    def _note(self, answer_id: str, score: int) -> None:
        if group_of(score) == "detractor":
            self.given[answer_id] = time.monotonic()
            if len(self.given) > REMEMBERED:
                self.given.popitem(last=False)
