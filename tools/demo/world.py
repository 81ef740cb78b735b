"""The simulated world: orders come in, emails are read, customers visit. Uses only Hearback's public interfaces."""

import asyncio
import heapq
import time
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from shared.nps import group_of
from tools.demo.customers import Action, reaction
from tools.demo.observations import Activity
from tools.demo.shop import Shop
from tools.simulation.clock import RunningClock
from tools.simulation.mailbox import Mail, MailboxReader
from tools.simulation.visitor import Visitor

if TYPE_CHECKING:
    from tools.simulation.shop import ShopBackend

SHOP_SECONDS = 0.1
MAILBOX_SECONDS = 0.2
VISIT_SECONDS = 0.05
VISITORS = 16
MAX_ACKNOWLEDGEMENTS = 1_000


@dataclass(frozen=True, slots=True)
class Visit:
    mail: Mail
    action: Action


class World:
    """``run`` simulates until cancelled; ``settle`` completes the visits in progress."""

    def __init__(
        self,
        seed: int,
        clock: RunningClock,
        shop: Shop,
        backend: "ShopBackend",
        mailbox: MailboxReader,
        visitor: Visitor,
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
        self.activity = Activity()
        self.acknowledged_at: OrderedDict[str, float] = OrderedDict()
        """Detractors' answers by id, with the monotonic time of their acknowledgement; only the newest."""

    async def run(self) -> None:
        """Raises BackendUnreachable, NotAcknowledged or httpx.HTTPError."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._clock.run())
            tasks.create_task(self._publish_orders())
            tasks.create_task(self._read_mail())
            tasks.create_task(self._start_due_visits())

    async def settle(self) -> None:
        """Waits for visits in progress and drops those planned for later."""
        self._planned.clear()
        await asyncio.gather(*self._visits)

    async def _publish_orders(self) -> None:
        while True:
            events = self._shop.until(self._clock.now())
            if events:
                await self._backend.publish(events)
            self.activity.events += len(events)
            self.activity.orders = len(self._shop.orders)
            await asyncio.sleep(SHOP_SECONDS)

    async def _read_mail(self) -> None:
        while True:
            for mail in await self._mailbox.new():
                self._plan_visits(mail)
            await asyncio.sleep(MAILBOX_SECONDS)

    def _plan_visits(self, mail: Mail) -> None:
        order = self._shop.latest_order_of(mail.to)
        if order is None or not mail.answer_links:
            return
        self.activity.mails += 1
        now = self._clock.now()
        for action in reaction(self._seed, mail.send_id, order, now):
            self._number += 1
            heapq.heappush(self._planned, (now + action.after, self._number, Visit(mail, action)))

    async def _start_due_visits(self) -> None:
        while True:
            now = self._clock.now()
            while self._planned and self._planned[0][0] <= now and len(self._visits) < VISITORS:
                visit = heapq.heappop(self._planned)[2]
                task = asyncio.create_task(self._perform(visit))
                self._visits.add(task)
                task.add_done_callback(self._visits.discard)
            for task in [task for task in self._visits if task.done()]:
                task.result()
            await asyncio.sleep(VISIT_SECONDS)

    async def _perform(self, visit: Visit) -> None:
        mail, action, activity = visit.mail, visit.action, self.activity
        match action.kind:
            case "view":
                await self._visitor.view(f"{mail.answer_url}?score={action.score or 0}")
            case "scan":
                for link in mail.links:
                    await self._visitor.view(link)
                activity.scanned += 1
            case "unsubscribe" if mail.unsubscribe_url is not None:
                await self._visitor.unsubscribe(mail.unsubscribe_url)
                activity.unsubscribed += 1
            case "answer" | "comment" if action.score is not None:
                acknowledged = await self._visitor.answer(mail.answer_url, action.score)
                if acknowledged.revision == 1:
                    activity.answers += 1
                    self._remember_acknowledgement(acknowledged.answer_id, action.score)
                else:
                    activity.amended += 1
                if action.comment is not None:
                    await self._visitor.answer(mail.answer_url, action.score, comment=action.comment)
                    activity.comments += 1

    def _remember_acknowledgement(self, answer_id: str, score: int) -> None:
        if group_of(score) == "detractor":
            self.acknowledged_at[answer_id] = time.monotonic()
            if len(self.acknowledged_at) > MAX_ACKNOWLEDGEMENTS:
                self.acknowledged_at.popitem(last=False)
