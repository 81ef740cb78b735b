"""What each topic's batch does. Every handler may see the same events again, and in any order."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerter.actions.changes import change
from services.alerter.actions.routing import Rules
from services.alerter.domain import history, revisions
from services.alerter.domain.case import Case, Step
from services.alerter.domain.history import Customer, Order, customer_key
from services.alerter.repository import cases, customers
from services.alerter.settings import AlerterSettings
from shared.contracts import identity, preferences
from shared.contracts.answers import Answer, AnswerErased
from shared.contracts.cloudevents import Message
from shared.contracts.orders import OrderEvent
from shared.contracts.preferences import Preference
from shared.contracts.sends import SurveySent
from shared.contracts.topics import ANSWERS, ORDERS, PREFERENCES, SENDS
from shared.messaging.handler import Handler
from shared.runtime import Runtime


class Handlers:
    def __init__(self, runtime: Runtime[AlerterSettings], rules: Rules) -> None:
        self._clock = runtime.clock
        self._outbox = runtime.outbox
        self._rules = rules

    def by_topic(self) -> dict[str, Handler]:
        return {
            PREFERENCES.name: self.preferences,
            ORDERS.name: self.orders,
            SENDS.name: self.sends,
            ANSWERS.name: self.answers,
        }

    async def answers(self, connection: AsyncConnection, messages: Sequence[Message]) -> None:
        """Opens, updates, moves, reopens or empties the case of each answer."""
        heard: dict[str, Answer | AnswerErased] = {}
        for message in messages:
            assert isinstance(message.body, Answer | AnswerErased)
            case_id = identity.case_id(message.body.answer_id)
            known = heard.get(case_id)
            heard[case_id] = message.body if known is None else revisions.newest(known, message.body)
        named = [body.customer_id for body in heard.values() if isinstance(body, Answer) and body.customer_id]
        erased = await customers.erasures(connection, {customer_key(customer_id) for customer_id in named})
        routing = (await self._rules.current(connection)).routing
        now = self._clock.now()

        def decide(case_id: str, case: Case | None) -> list[Step]:
            body = heard[case_id]
            if isinstance(body, AnswerErased) or _of_erased_customer(body, erased):
                return revisions.forget(case, case_id, body.revision, now)
            return revisions.hear(case, body, routing, now)

        await change(connection, self._outbox, heard, decide)

    async def orders(self, connection: AsyncConnection, messages: Sequence[Message]) -> None:
        """Remembers how to reach customers and what they ordered."""
        events: list[tuple[UUID, str, OrderEvent]] = []
        for message in messages:
            assert isinstance(message.body, OrderEvent)
            events.append((customer_key(message.body.customer.id), message.type, message.body))
        locked = await customers.lock(connection, [key for key, _, _ in events])
        known = await customers.read_orders(connection, {event.order_id for _, _, event in events})
        people: dict[UUID, Customer] = {}
        orders: dict[str, tuple[UUID, Order]] = {}
        for key, event_type, event in events:
            if not locked[key].may_know(event.occurred_at):
                continue
            before = people.get(key) or locked[key].customer or Customer(customer_id=event.customer.id)
            people[key] = history.from_order(before, event)
            order = orders[event.order_id][1] if event.order_id in orders else known.get(event.order_id)
            orders[event.order_id] = key, history.with_event(order, event_type, event)
        await customers.save(connection, people)
        await customers.save_orders(connection, list(orders.values()))
        await self._tell_again(connection, people, orders)

    async def sends(self, connection: AsyncConnection, messages: Sequence[Message]) -> None:
        """Remembers that customers were asked, and the address that reached them."""
        sends: list[tuple[UUID, SurveySent]] = []
        for message in messages:
            assert isinstance(message.body, SurveySent)
            sends.append((customer_key(message.body.customer_id), message.body))
        locked = await customers.lock(connection, [key for key, _ in sends])
        sends = [(key, send) for key, send in sends if locked[key].may_know(send.sent_at)]
        people: dict[UUID, Customer] = {}
        for key, send in sends:
            before = people.get(key) or locked[key].customer or Customer(customer_id=send.customer_id)
            people[key] = history.from_send(before, send)
        await customers.save(connection, people)
        await customers.save_surveys(connection, [(key, history.survey(send)) for key, send in sends])
        await self._tell_again(connection, people, ())

    async def preferences(self, connection: AsyncConnection, messages: Sequence[Message]) -> None:
        """Forgets erased customers: how to reach them, their orders, and what is in cases of answers until then."""
        times: dict[UUID, datetime] = {}
        for message in messages:
            assert isinstance(message.body, Preference)
            if message.type == preferences.ERASED:
                key = customer_key(message.body.customer_id)
                times[key] = max(message.body.occurred_at, times.get(key, message.body.occurred_at))
        if not times:
            return
        locked = await customers.lock(connection, times)
        # Told again of an erasure, nothing is done: what is known was told after it.
        times = {key: at for key, at in times.items() if locked[key].may_know(at)}
        await customers.erase(connection, times)
        now = self._clock.now()

        def decide(case_id: str, case: Case | None) -> list[Step]:
            if case is None or case.answer is None or not _of_erased_customer(case.answer, times):
                return []
            return revisions.forget(case, case_id, case.revision, now)

        await change(connection, self._outbox, await cases.ids_of_customers(connection, times), decide)

    async def _tell_again(self, connection: AsyncConnection, people: Iterable[UUID], order_ids: Iterable[str]) -> None:
        """Cases that were told of before their customer or order was known are told of once more."""
        waiting = await cases.awaiting(connection, people, order_ids)
        now = self._clock.now()
        await change(
            connection,
            self._outbox,
            waiting,
            lambda _case_id, case: [] if case is None else revisions.completed(case, now),
        )


def _of_erased_customer(answer: Answer, erased: Mapping[UUID, datetime]) -> bool:
    """Whether the answer came in before its customer was erased: one given afterwards is a new beginning."""
    if answer.customer_id is None:
        return False
    at = erased.get(customer_key(answer.customer_id))
    return at is not None and answer.received_at <= at
