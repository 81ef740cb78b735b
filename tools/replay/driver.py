"""Drives a replay: publishes past events, advances the clock, and answers surveys as customers did.

Time stands still within a step. Before the clock advances to the end of a step, all events up to it are published and
consumed; then everything due is decided before anybody answers, and every answer is acknowledged before the next
step. So the outcome does not depend on timing, or on what is killed in the meantime.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from shared.clock import SteppedClock
from tools.replay.olist import PastAnswer
from tools.replay.plan import Plan
from tools.replay.waiting import until
from tools.simulation.mailbox import Mail, MailboxReader
from tools.simulation.visitor import Visitor

if TYPE_CHECKING:
    from tools.replay.dispatcher import Dispatcher
    from tools.simulation.shop import ShopBackend

VISITORS = 12
"""Maximum number of customers answering concurrently."""


@dataclass(slots=True, kw_only=True)
class Counters:
    """The progress so far."""

    now: datetime
    steps: int = 0
    events: int = 0
    answers: int = 0


class Driver:
    def __init__(
        self,
        plan: Plan,
        clock: SteppedClock,
        shop: "ShopBackend",
        dispatcher: "Dispatcher",
        mailbox: MailboxReader,
        visitor: Visitor,
        step_done: Callable[[int, Counters], None],
    ) -> None:
        self._plan = plan
        self._clock = clock
        self._shop = shop
        self._dispatcher = dispatcher
        self._mailbox = mailbox
        self._visitor = visitor
        self._step_done = step_done
        self._answer_urls: dict[str, str] = {}
        self._counters = Counters(now=clock.now())

    async def run(self, after: int = -1) -> None:
        """All steps after number ``after``. Raises Stuck, NotAcknowledged or BackendUnreachable."""
        try:
            await self._run([number for number in self._plan.active_steps if number > after])
        except BaseExceptionGroup as group:
            # If several tasks failed, one cause is enough.
            raise first_of(group) from group

    async def _run(self, active_steps: Sequence[int]) -> None:
        if active_steps:
            await self._publish(active_steps[0])
        for number, following in zip(active_steps, [*active_steps, None][1:], strict=True):
            moment = self._plan.steps.moment(number)
            self._clock.step_to(moment)
            await self._dispatcher.wait_until_decided(moment)
            # The courier looks again before it sends: what happens next must not be known to it yet.
            await self._dispatcher.wait_until_delivered(moment)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._answer(number))
                if following is not None:
                    # Publishing the next events early is safe: nothing is due before the clock advances.
                    tasks.create_task(self._publish(following))
            self._counters.now = moment
            self._counters.steps += 1
            self._step_done(number, self._counters)

    async def _publish(self, number: int) -> None:
        """Publishes a step's events and waits until the dispatcher has consumed them."""
        events = self._plan.events.get(number, ())
        if events:
            await self._shop.publish(events)
            self._counters.events += len(events)
        await self._dispatcher.wait_until_consumed()

    async def _answer(self, number: int) -> None:
        """Gives this step's answers, each through the link in the customer's email."""
        due = self._plan.answers.get(number, [])
        await self._await_mails({send_id for send_id, _ in due})
        limit = asyncio.Semaphore(VISITORS)

        async def answer_survey(send_id: str, answers: Sequence[PastAnswer]) -> None:
            async with limit:
                for answer in answers:
                    await self._visitor.answer(self._answer_urls[send_id], answer.score, comment=answer.comment)
                    self._counters.answers += 1

        async with asyncio.TaskGroup() as tasks:
            for send_id, answers in due:
                tasks.create_task(answer_survey(send_id, answers))

    async def _await_mails(self, send_ids: set[str]) -> None:
        async def arrived() -> bool:
            if send_ids <= self._answer_urls.keys():
                return True
            for mail in await self._mailbox.new():
                self._remember_link(mail)
            return send_ids <= self._answer_urls.keys()

        await until(arrived, f"{len(send_ids)} emails to arrive")

    def _remember_link(self, mail: Mail) -> None:
        if mail.answer_links:
            self._answer_urls[mail.send_id] = mail.answer_url


def first_of(group: BaseExceptionGroup[BaseException]) -> BaseException:
    first = group.exceptions[0]
    return first_of(first) if isinstance(first, BaseExceptionGroup) else first
