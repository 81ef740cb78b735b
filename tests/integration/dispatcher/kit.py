"""A dispatcher for tests: its parts on a separate database, with a clock the test sets."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import FastAPI
from sqlalchemy import text

from services.dispatcher.loops.timers import TimerLoop
from services.dispatcher.settings import DispatcherSettings
from shared.contracts import orders, preferences, requests, topics
from shared.contracts.cloudevents import Message
from shared.contracts.orders import Customer, Item, OrderEvent
from shared.contracts.preferences import ChannelPreference, Preference
from shared.contracts.requests import SurveyRequested
from shared.messaging.handler import Handler
from shared.persistence.transaction import transaction
from shared.runtime import Runtime
from tests.kit.clock import ChosenClock
from tests.kit.messages import message
from tests.kit.outbox import published

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def order_event(
    milestone: str,
    order_id: str = "o-1",
    customer_id: str = "c-1",
    *,
    at: datetime = START,
    event_id: str | None = None,
    email: str | None = "ana@example.com",
    country: str | None = None,
    **fields: Any,
) -> Message:
    """An ``order.<milestone>`` event; ``fields`` are more of its body."""
    body = OrderEvent(
        order_id=order_id,
        occurred_at=at,
        customer=Customer(id=customer_id, email=email, name="Ana", locale="pt-BR", country=country),
        items=[Item(name="A wooden train", category="toys")],
        **fields,
    )
    return message(orders.TOPIC, f"order.{milestone}", body, event_id=event_id, source="/shop", at=START)


def preference(
    kind: str, customer_id: str = "c-1", revision: int = 1, at: datetime = START, address: str | None = None
) -> Message:
    channels = (
        []
        if kind == "erased"
        else [
            ChannelPreference(
                channel="email",
                state="allowed" if kind == "resubscribed" else kind,  # type: ignore[arg-type]
                address=address,
                changed_at=at,
            )
        ]
    )
    body = Preference(customer_id=customer_id, revision=revision, channels=channels, occurred_at=at)
    name = {"erased": preferences.ERASED, "resubscribed": preferences.RESUBSCRIBED}.get(kind, f"preference.{kind}")
    return message(preferences.TOPIC, name, body, at=START)


def request(
    campaign: str,
    customer_id: str = "c-1",
    not_before: datetime = START,
    request_id: str = "r-1",
    requested_by: str = "tests",
    *,
    event_id: str | None = None,
    source: str = "/crm",
    reason: str | None = None,
) -> Message:
    body = SurveyRequested(
        request_id=request_id,
        customer_id=customer_id,
        campaign=campaign,
        requested_by=requested_by,
        requested_at=START,
        not_before=not_before,
        reason=reason,
    )
    return message(requests.TOPIC, requests.REQUESTED, body, event_id=event_id, source=source, at=START)


@dataclass
class Dispatcher:
    """One replica."""

    runtime: Runtime[DispatcherSettings]
    handlers: Mapping[str, Handler]
    loop: TimerLoop
    clock: ChosenClock
    app: FastAPI

    async def handle(self, *messages: Message) -> None:
        """Handles the messages as one batch, as the consumer would: topic by topic, and each handler once.

        Nothing arrives before it has happened: the clock is then at least at the latest of them.
        """
        happened = [one.body.occurred_at for one in messages if isinstance(one.body, OrderEvent | Preference)]
        self.clock.moment = max([self.clock.moment, *happened])
        in_order = [each.name for each in topics.CONSUMED_BY["dispatcher"]]
        of_handlers: dict[Handler, list[Message]] = {}
        for one in sorted(messages, key=lambda message: in_order.index(message.topic)):
            of_handlers.setdefault(self.handlers[one.topic], []).append(one)
        async with transaction(self.runtime.engine) as connection:
            for handler, theirs in of_handlers.items():
                await handler(connection, theirs)

    async def pass_time(self, to: datetime) -> None:
        """Moves the clock, and decides everything that came due."""
        self.clock.moment = to
        await self.decide()

    async def decide(self) -> None:
        for _ in range(1_000):
            if not await self.loop.step():
                return
        raise AssertionError("the timer loop never ends")

    async def rows(self, query: str, **values: Any) -> list[dict[str, Any]]:
        async with self.runtime.read_only() as connection:
            return [dict(row) for row in (await connection.execute(text(query), values)).mappings()]

    async def timers(self) -> dict[str, datetime]:
        """Campaign (and order, if it is about one) to the time of the next check."""
        rows = await self.rows("SELECT campaign, order_id, due_at FROM timers")
        return {row["campaign"] + (f" {row['order_id']}" if row["order_id"] else ""): row["due_at"] for row in rows}

    async def sends(self) -> list[tuple[str, str | None, datetime]]:
        rows = await self.rows("SELECT campaign, order_id, sent_at FROM sends ORDER BY sent_at, campaign")
        return [(row["campaign"], row["order_id"], row["sent_at"]) for row in rows]

    async def outcomes(self, customer_id: str = "c-1") -> list[tuple[str, str]]:
        """(outcome, reason) of each decision about the customer, oldest first."""
        rows = await self.rows(
            "SELECT outcome, reason FROM decisions WHERE customer_id = :customer_id ORDER BY position",
            customer_id=customer_id,
        )
        return [(row["outcome"], row["reason"]) for row in rows]

    async def published(self, topic: str = topics.SENDS.name) -> Sequence[dict[str, Any]]:
        """The bodies of the outbox's records for a topic."""
        return [one.body for one in await published(self.runtime, topic)]


Open = Callable[..., Awaitable[Dispatcher]]
