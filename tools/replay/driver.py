"""Lets the past happen again: publishes what happened, moves the clock, answers as people did.

Time stands still within a step. All that happened up to its end is published and taken in before the clock moves
there, everything due then is decided before anybody answers, and every answer is acknowledged before it moves on. So
the outcome does not depend on how fast anything is, nor on what is killed on the way.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.clock import SteppedClock
from shared.contracts.identity import send_id, timer_id
from tools.replay.ledger import Dispatcher, until
from tools.replay.olist import PastAnswer
from tools.replay.oracle import Asked, Steps
from tools.simulation.mailbox import Mail, MailboxReader
from tools.simulation.shop import ShopBackend, ShopEvent
from tools.simulation.visitor import Visitor

CAMPAIGN = "after-delivery"
VISITORS = 12
"""How many customers answer at once."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What happens in each step, by its number: events to publish, and each order's answers in their order."""

    steps: Steps
    events: dict[int, list[ShopEvent]]
    answers: dict[int, list[tuple[str, list[PastAnswer]]]]
    wake: Sequence[int]
    """The steps in which anything happens at all, ascending; time between them is skipped."""


@dataclass(slots=True)
class Count:
    """How far it is."""

    now: datetime
    steps: int = 0
    events: int = 0
    answers: int = 0


def plan(events: Sequence[ShopEvent], asks: Sequence[Asked], steps: Steps) -> Plan:
    events_of: defaultdict[int, list[ShopEvent]] = defaultdict(list)
    for event in events:
        events_of[steps.number(event.occurred_at)].append(event)
    answers_of: defaultdict[int, dict[str, list[PastAnswer]]] = defaultdict(dict)
    for ask in asks:
        survey = survey_of(ask)
        for step, answer in ask.answers:
            answers_of[step].setdefault(survey, []).append(answer)
    wake = sorted(events_of.keys() | answers_of.keys() | {ask.step for ask in asks})
    return Plan(steps, dict(events_of), {step: list(of.items()) for step, of in answers_of.items()}, wake)


def survey_of(ask: Asked) -> str:
    """The send id the survey about this order must have."""
    return send_id(timer_id(CAMPAIGN, ask.order.customer_id, ask.order.order_id))


class Driver:
    def __init__(
        self,
        plan: Plan,
        clock: SteppedClock,
        shop: ShopBackend,
        dispatcher: Dispatcher,
        mailbox: MailboxReader,
        visitor: Visitor,
        step_done: Callable[[int, Count], None],
    ) -> None:
        self._plan = plan
        self._clock = clock
        self._shop = shop
        self._dispatcher = dispatcher
        self._mailbox = mailbox
        self._visitor = visitor
        self._step_done = step_done
        self._answer_urls: dict[str, str] = {}
        self._count = Count(clock.now())

    async def run(self, after: int = -1) -> None:
        """All steps after number ``after``. Raises Stuck, NotAcknowledged or BackendUnreachable."""
        try:
            await self._run([number for number in self._plan.wake if number > after])
        except BaseExceptionGroup as group:
            # Of several that failed together, one cause is enough to know.
            raise first_of(group) from group

    async def _run(self, wake: Sequence[int]) -> None:
        if wake:
            await self._tell(wake[0])
        for number, following in zip(wake, [*wake, None][1:], strict=True):
            moment = self._plan.steps.moment(number)
            self._clock.step_to(moment)
            await self._dispatcher.decided_everything(moment)
            async with asyncio.TaskGroup() as together:
                together.create_task(self._answer(number))
                if following is not None:
                    # What is known earlier changes nothing: it is decided on when the clock has moved.
                    together.create_task(self._tell(following))
            self._count.now = moment
            self._count.steps += 1
            self._step_done(number, self._count)

    async def _tell(self, number: int) -> None:
        """Publishes what happened in a step and waits until the dispatcher has taken it in."""
        events = self._plan.events.get(number, ())
        if events:
            await self._shop.publish(events)
            self._count.events += len(events)
        await self._dispatcher.took_in_everything()

    async def _answer(self, number: int) -> None:
        """Everybody who answered in this step answers, each by the link in their own mail."""
        wanted = self._plan.answers.get(number, [])
        await self._await_mails({survey for survey, _ in wanted})
        few_at_once = asyncio.Semaphore(VISITORS)

        async def one(survey: str, answers: Sequence[PastAnswer]) -> None:
            async with few_at_once:
                for answer in answers:
                    await self._visitor.answer(self._answer_urls[survey], answer.score, answer.comment)
                    self._count.answers += 1

        async with asyncio.TaskGroup() as together:
            for survey, answers in wanted:
                together.create_task(one(survey, answers))

    async def _await_mails(self, surveys: set[str]) -> None:
        async def arrived() -> bool:
            if surveys <= self._answer_urls.keys():
                return True
            for mail in await self._mailbox.new():
                self._note(mail)
            return surveys <= self._answer_urls.keys()

        await until(arrived, f"{len(surveys)} mails to arrive")

    def _note(self, mail: Mail) -> None:
        if mail.answer_links:
            self._answer_urls[mail.send_id] = mail.answer_url


def first_of(group: BaseExceptionGroup[BaseException]) -> BaseException:
    first = group.exceptions[0]
    return first_of(first) if isinstance(first, BaseExceptionGroup) else first
