"""What staff do with cases, from the API and from the inbox alike."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerter.actions.changes import change, surroundings
from services.alerter.actions.routing import Rules
from services.alerter.domain import publication
from services.alerter.domain import transitions as actions
from services.alerter.domain.case import Case, Entry, Step
from services.alerter.domain.history import Order, Survey, customer_key
from services.alerter.domain.publication import Surroundings
from services.alerter.domain.routing import Routing
from services.alerter.domain.transitions import CloseReason, ContactWay
from services.alerter.repository import cases, customers
from services.alerter.repository.cases import Place, Wanted
from services.alerter.settings import AlerterSettings
from shared.contracts import followups
from shared.runtime import Runtime

_MOST_SHOWN = 10
"""Orders, surveys and earlier answers told of a customer."""

Action = Callable[[Case, Routing, datetime], Step]


class NoSuchCase(LookupError):
    """There is no case with this id."""


class UnknownRootCause(ValueError):
    """The root cause is none of those the routing rules list."""


@dataclass(frozen=True, slots=True)
class Story:
    """A case with all that is known around it; the newest orders, surveys and earlier cases first."""

    case: Case
    around: Surroundings
    history: list[Entry]
    survey: Survey | None
    orders: list[Order]
    surveys: list[Survey]
    earlier: list[Case]

    @property
    def published(self) -> followups.Case:
        """The case as its queue sees it."""
        return publication.whole(self.case, self.around)


@dataclass(frozen=True, slots=True)
class Page:
    """Part of a list; ``after`` is where the next part begins, None at the end."""

    cases: list[Case]
    around: dict[str, Surroundings]
    after: Place | None


class Staff:
    def __init__(self, runtime: Runtime[AlerterSettings], rules: Rules) -> None:
        self._runtime = runtime
        self._rules = rules

    def now(self) -> datetime:
        return self._runtime.clock.now()

    async def page(self, wanted: Wanted, after: Place | None, limit: int) -> Page:
        async with self._runtime.read_only() as connection:
            found = await cases.page(connection, wanted, after, limit + 1)
            shown = found[:limit]
            around = await surroundings(connection, shown)
        last = Place(shown[-1].position, shown[-1].case_id) if len(found) > limit else None
        return Page(shown, dict(around), last)

    async def story(self, case_id: str) -> Story:
        """Raises NoSuchCase."""
        async with self._runtime.read_only() as connection:
            case = (await cases.read(connection, [case_id])).get(case_id)
            if case is None or case.queue is None:
                raise NoSuchCase(case_id)
            around = (await surroundings(connection, [case]))[case_id]
            told = await cases.history(connection, case_id)
            if case.answer is None or case.answer.customer_id is None:
                return Story(case, around, told, None, [], [], [])
            key = customer_key(case.answer.customer_id)
            send_id = case.answer.send_id
            return Story(
                case=case,
                around=around,
                history=told,
                survey=None if send_id is None else await customers.survey(connection, send_id),
                orders=await customers.orders_of(connection, key, _MOST_SHOWN),
                surveys=await customers.surveys_of(connection, key, _MOST_SHOWN),
                earlier=await cases.of_customer(connection, key, case_id, _MOST_SHOWN),
            )

    async def queues(self) -> tuple[Routing, dict[str, int]]:
        """The routing rules in force, and how many cases wait in each of their queues."""
        async with self._runtime.read_only() as connection:
            routing = (await self._rules.current(connection)).routing
            return routing, await cases.count_waiting(connection, list(routing.queues))

    async def assign(self, case_id: str, sequence: int, actor: str, owner: str) -> Case:
        return await self._act(case_id, sequence, lambda case, _, now: actions.assign(case, owner, actor, now))

    async def contact(self, case_id: str, sequence: int, actor: str, way: ContactWay, text: str) -> Case:
        return await self._act(case_id, sequence, lambda case, _, now: actions.contact(case, way, text, actor, now))

    async def note(self, case_id: str, sequence: int, actor: str, text: str) -> Case:
        return await self._act(case_id, sequence, lambda case, _, now: actions.note(case, text, actor, now))

    async def close(
        self, case_id: str, sequence: int, actor: str, reason: CloseReason, root_cause: str | None, text: str
    ) -> Case:
        """Raises UnknownRootCause besides what every action raises."""

        def take(case: Case, routing: Routing, now: datetime) -> Step:
            if root_cause is not None and root_cause not in routing.root_causes:
                known = ", ".join(routing.root_causes) or "none"
                raise UnknownRootCause(f"{root_cause!r} is not among the root causes of the routing rules: {known}")
            return actions.close(case, reason, root_cause, text, actor, now)

        return await self._act(case_id, sequence, take)

    async def reopen(self, case_id: str, sequence: int, actor: str, text: str) -> Case:
        def take(case: Case, routing: Routing, now: datetime) -> Step:
            rule = routing.rule_named(case.rule)
            if rule is None and case.answer is not None:
                rule = routing.rule_for(case.answer)
            return actions.reopen(case, None if rule is None else rule.sla, text, actor, now)

        return await self._act(case_id, sequence, take)

    async def _act(self, case_id: str, sequence: int, action: Action) -> Case:
        """The case after the action. Raises NoSuchCase, actions.Stale when it changed meanwhile, actions.Refused."""
        async with self._runtime.transaction() as connection:
            return await self._change(connection, case_id, sequence, action)

    async def _change(self, connection: AsyncConnection, case_id: str, sequence: int, action: Action) -> Case:
        routing = (await self._rules.current(connection)).routing
        now = self.now()

        def decide(_case_id: str, case: Case | None) -> list[Step]:
            if case is None or case.queue is None:
                raise NoSuchCase(case_id)
            actions.expect(case, sequence)
            return [action(case, routing, now)]

        return (await change(connection, self._runtime.outbox, [case_id], decide))[case_id]
