"""The product from outside, in the terms of its tests: orders, time, mail, answers, scores, cases."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx

from deploy.local.stack import Stack
from shared.clock import SteppedClock
from tests.kit.eventually import eventually
from tests.kit.settings import kafka_at
from tools.audit.audit import Installation, audit
from tools.audit.report import Report
from tools.audit.topics import Topics
from tools.replay.dispatcher import Dispatcher
from tools.simulation.mailbox import Mail, MailboxReader
from tools.simulation.shop import ShopBackend
from tools.simulation.shop_event import ShopEvent
from tools.simulation.visitor import Acknowledgement, Visitor

PATIENCE_SECONDS = 30.0
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@dataclass
class Buyer:
    """A new customer; ``region`` is a segment only they are in."""

    locale: str = "en"
    id: str = field(default_factory=lambda: f"c-{secrets.token_hex(4)}")
    orders: int = 0

    @property
    def address(self) -> str:
        return f"{self.id}@customers.example"

    @property
    def region(self) -> str:
        return f"region of {self.id}"

    @property
    def segment(self) -> str:
        return f"region:{self.region}"


@dataclass
class Product:
    """``visitors`` is a browser without a key, ``staff`` has one with every scope."""

    stack: Stack
    clock: SteppedClock
    shop: ShopBackend
    dispatcher: Dispatcher
    visitors: httpx.AsyncClient
    staff: httpx.AsyncClient

    def __post_init__(self) -> None:
        self._mailbox = MailboxReader(self.visitors, self.stack.url("mailbox"))
        self._mails: list[Mail] = []
        self._visitor = Visitor(self.visitors)

    # The shop -------------------------------------------------------------------------------------------------

    async def order(self, buyer: Buyer, **more: Any) -> str:
        """Places an order now; returns its id."""
        buyer.orders += 1
        order_id = f"{buyer.id}-{buyer.orders}"
        await self.tell("order.placed", buyer, order_id, **more)
        return order_id

    async def tell(self, event_type: str, buyer: Buyer, order_id: str, **more: Any) -> ShopEvent:
        """Publishes an event about an order, dated now."""
        event = self.event(event_type, buyer, order_id, **more)
        await self.shop.publish([event])
        return event

    def event(self, event_type: str, buyer: Buyer, order_id: str, **more: Any) -> ShopEvent:
        now = self.clock.now()
        customer = {
            "id": buyer.id,
            "email": buyer.address,
            "locale": buyer.locale,
            "region": buyer.region,
            "name": "Ana",
        }
        body = {
            "order_id": order_id, "occurred_at": now.isoformat(), "customer": customer,
            "items": [{"name": "Tea kettle", "category": "kitchen"}, {"name": "Marble run", "category": "toys"}],
            **more,
        }  # fmt: skip
        parcel = f"/{more['shipment']['id']}" if "shipment" in more else ""
        return ShopEvent(
            id=f"{order_id}/{event_type}{parcel}", type=event_type, occurred_at=now, customer_id=buyer.id, body=body
        )

    # Time -----------------------------------------------------------------------------------------------------

    async def after(self, length: timedelta) -> None:
        """Lets time pass once all events are handled; returns when everything due by then is decided."""
        await self.dispatcher.wait_until_consumed()
        self.clock.step_to(self.clock.now() + length)
        await self.dispatcher.wait_until_decided(self.clock.now())

    # The customer ---------------------------------------------------------------------------------------------

    async def mails(self, buyer: Buyer) -> list[Mail]:
        """What is in the customer's mailbox now; more mail may still arrive."""
        self._mails += await self._mailbox.new()
        return [mail for mail in self._mails if mail.to == buyer.address]

    async def mail(self, buyer: Buyer, count: int = 1) -> Mail:
        """The customer's ``count``-th email, once it is there."""
        return (await eventually(lambda: self.mails(buyer), "mail", wanted=lambda mails: len(mails) >= count))[
            count - 1
        ]

    async def answer(self, mail: Mail, score: int, comment: str | None = None) -> Acknowledgement:
        return await self._visitor.answer(mail.answer_url, score, comment=comment)

    async def unsubscribe(self, mail: Mail) -> None:
        assert mail.unsubscribe_url is not None
        await self._visitor.unsubscribe(mail.unsubscribe_url)

    async def surveyed(self, buyer: Buyer) -> Mail:
        """An order, an hour, and the email about it."""
        await self.order(buyer)
        await self.after(HOUR)
        return await self.mail(buyer)

    # Staff ----------------------------------------------------------------------------------------------------

    async def get(self, service: str, path: str, **asked: str) -> dict[str, Any]:
        response = await self.staff.get(f"{self.stack.url(service)}{path}", params=asked)
        response.raise_for_status()
        body: dict[str, Any] = response.json()
        return body

    async def score(self, segment: str, n: int, window: str = "30d") -> dict[str, Any]:
        """The segment's score, once ``n`` answers count in it."""

        async def ask() -> dict[str, Any]:
            return await self.get("scorer", "/v1/nps", segment=segment, window=window)

        return await eventually(ask, f"{n} answers in {segment}", wanted=lambda score: score["n"] == n)

    async def case(self, acknowledged: Acknowledgement, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The case about an answer, once it is as expected."""

        async def ask() -> dict[str, Any]:
            listed = await self.get("alerter", "/v1/cases", status="any", limit="200")
            of_answer = (case for case in listed["cases"] if _answer_of(case) == acknowledged.answer_id)
            return next(of_answer, {})

        return await eventually(ask, "a case", wanted=lambda case: bool(case) and wanted(case))

    async def decisions(self, buyer: Buyer) -> list[dict[str, Any]]:
        """Why the customer was, or was not, asked, newest first."""
        body = await self.get("dispatcher", f"/v1/customers/{buyer.id}/decisions", limit="100")
        decisions: list[dict[str, Any]] = body["decisions"]
        return decisions

    def installation(self, **elsewhere: str) -> Installation:
        """This product for an audit; ``elsewhere`` has settings to override."""
        return Installation.from_environment({**self.stack.client_environment(), **elsewhere})

    async def marked(self, topics: Sequence[str]) -> None:
        """Waits until every partition of these has the marker (``shared/messaging/segments.py``) of its publisher."""
        async with Topics(kafka_at(self.stack.kafka_bootstrap_servers), prefix=self.stack.topic_prefix).ends(
            topics
        ) as ends:
            await eventually(ends, "a marker in each partition", wanted=lambda found: min(found.values()) >= 1)

    async def audited(self, **elsewhere: str) -> Report:
        return await audit(self.installation(**elsewhere), within=PATIENCE_SECONDS)


def _answer_of(case: dict[str, Any]) -> str | None:
    return (case.get("answer") or {}).get("answer_id")
