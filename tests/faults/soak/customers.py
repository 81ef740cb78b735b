"""The shop's backend and its customers, at work until told to finish; whatever they do is in the journal."""

import asyncio
import contextlib
from collections.abc import Awaitable, Coroutine
from datetime import datetime, timedelta
from itertools import chain
from random import Random
from typing import Any

import httpx
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from deploy.local.stack import Stack
from tests.faults.soak.journal import Journal
from tests.faults.soak.outside import next_records
from tests.faults.soak.shop import Order, Planned, Shop
from tests.kit.http import bearer
from tools.simulation.clock import RunningClock
from tools.simulation.mailbox import Mail, MailboxReader
from tools.simulation.shop import ShopBackend
from tools.simulation.visitor import NotAcknowledged, Visitor

SOURCE = "/shops/soak"
PATIENCE_SECONDS = 240.0
"""How long a request is repeated before it counts as lost."""
REACTIONS = {
    "silent": 24, "answers": 36, "insists": 6, "changes": 14, "comments": 8, "scanned": 6, "unsubscribes": 4,
    "erased": 3,
}  # fmt: skip
SHARE_REPORTED = 0.08
"""Of orders about which the backend also reports an answer given in the shop."""


class Customers:
    """``run`` until cancelled; ``finish`` completes what was begun."""

    def __init__(
        self,
        seed: int,
        stack: Stack,
        clock: RunningClock,
        journal: Journal,
        client: httpx.AsyncClient,
        orders_per_second: float,
    ) -> None:
        self._seed = seed
        self._stack = stack
        self._clock = clock
        self._journal = journal
        self._client = client
        self._pause = 1 / orders_per_second
        self._shop = Shop(seed)
        self._backend = ShopBackend(
            stack.kafka_bootstrap_servers, source=SOURCE, topic_prefix="", timeout_seconds=PATIENCE_SECONDS
        )
        self._mailbox = MailboxReader(client, stack.url("mailbox"))
        self._visitor = Visitor(client, timeout_seconds=PATIENCE_SECONDS)
        self._outgoing: asyncio.Queue[Planned] = asyncio.Queue(maxsize=2_000)
        self._people: dict[str, tuple[str, list[str]]] = {}
        self._work: set[asyncio.Task[None]] = set()
        self._gone: set[str] = set()
        self.failure: BaseException | None = None

    @property
    def busy(self) -> bool:
        """Whether an order or a visit is still going on."""
        return bool(self._work) or not self._outgoing.empty()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._take_orders())

    async def serve(self) -> None:
        """Publishes, reads mail and watches the preferences, until cancelled; longer than orders come in."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._publish())
                tasks.create_task(self._read_mail())
                tasks.create_task(self._watch_preferences())
        finally:
            for task in self._work:
                task.cancel()
            await asyncio.gather(*self._work, return_exceptions=True)
            await self._backend.__aexit__(None, None, None)

    async def finish(self) -> None:
        """Returns when everything begun is complete. Raises what went wrong on the way."""
        while self.busy:
            self.check()
            await asyncio.sleep(0.1)
        self.check()

    def check(self) -> None:
        """Raises what went wrong in an order or a visit."""
        if self.failure is not None:
            raise self.failure

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._work.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._work.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.failure = self.failure or error

    async def _until(self, moment: datetime) -> None:
        while (left := (moment - self._clock.now()) / timedelta(seconds=1)) > 0:
            await asyncio.sleep(min(1.0, max(0.01, left / self._clock.speed)))

    async def _after(self, hours: float) -> None:
        await self._until(self._clock.now() + timedelta(hours=hours))

    # The shop

    async def _take_orders(self) -> None:
        random = Random(self._seed)
        while True:
            self.check()
            for order in self._shop.place(self._clock.now()):
                self._begin(self._process(order))
            await asyncio.sleep(random.expovariate(1) * self._pause)

    async def _process(self, order: Order) -> None:
        person = order.person
        if person.email is not None:
            owner_id, order_ids = self._people.setdefault(person.email.lower(), (person.id, []))
            if owner_id == person.id:  # the mailbox's other customer is not erased with them
                order_ids.append(order.id)
        for planned in sorted(order.events, key=lambda one: one.publish_at):
            if order.erase_at is not None and order.erase_at < planned.publish_at:
                break
            await self._until(planned.publish_at)
            await self._outgoing.put(planned)
        random = Random(f"{self._seed}/{order.id}/reported")
        if order.erase_at is not None:
            await self._until(order.erase_at)
            await self._erase(person.id, person.email or "", [order.id])
        elif random.random() < SHARE_REPORTED:
            await self._report(random, order)

    async def _publish(self) -> None:
        while True:
            batch = [await self._outgoing.get()]
            while not self._outgoing.empty() and len(batch) < 100:
                batch.append(self._outgoing.get_nowait())
            publishing = asyncio.create_task(self._publish_now(batch))
            self._work.add(publishing)
            publishing.add_done_callback(self._ended)
            await asyncio.wait([publishing])

    async def _publish_now(self, batch: list[Planned]) -> None:
        await self._backend.publish([planned.event for planned in batch])
        for planned in batch:
            event = planned.event
            self._journal.write(
                "event", id=event.id, type=event.type, order_id=event.body["order_id"], customer_id=event.customer_id,
                body=event.body, acceptable=planned.acceptable,
            )  # fmt: skip

    async def _report(self, random: Random, order: Order) -> None:
        """Three requests at once with one key, as a backend that retries too eagerly sends them."""
        await self._after(random.uniform(0, 10))
        score, key = random.choice((0, 3, 6, 7, 8, 9, 10)), f"till-{order.id}"
        segments = {"country": order.person.country, "tier": order.person.tier}
        begun_at = self._journal.now()
        told = await asyncio.gather(*(self._post_answer(key, score, segments) for _ in range(3)))
        for answer_id, revision in told:
            self._journal.write(
                "reported", key=key, score=score, segments=segments, answer_id=answer_id, revision=revision,
                begun_at=begun_at,
            )  # fmt: skip

    async def _post_answer(self, key: str, score: int, segments: dict[str, str]) -> tuple[str, int]:
        response = await self._asked(
            "POST", f"{self._stack.url('collector')}/v1/answers", json={"score": score, "segments": segments},
            headers={"Idempotency-Key": key, **bearer(self._stack.api_key)},
        )  # fmt: skip
        body = response.json()
        return body["answer_id"], body["revision"]

    async def _erase(self, customer_id: str, address: str, order_ids: list[str]) -> None:
        self._gone.add(address.lower())
        self._shop.forget(customer_id)
        begun_at = self._journal.now()
        await self._asked(
            "DELETE", f"{self._stack.url('collector')}/v1/customers/{customer_id}", params={"order_id": order_ids},
            headers=bearer(self._stack.api_key),
        )  # fmt: skip
        self._journal.write("erased", customer_id=customer_id, address=address, order_ids=order_ids, begun_at=begun_at)

    async def change_routing(self, definition: dict[str, Any], queues: dict[str, str]) -> None:
        begun_at = self._journal.now()
        await self._asked(
            "PUT", f"{self._stack.url('alerter')}/v1/routing", json=definition, headers=bearer(self._stack.api_key)
        )
        self._journal.write("routing", queues=queues, begun_at=begun_at)

    async def change_campaign(self, definition: dict[str, Any]) -> None:
        response = await self._asked(
            "PUT", f"{self._stack.url('dispatcher')}/v1/campaigns/{definition['id']}", json=definition,
            headers=bearer(self._stack.api_key),
        )  # fmt: skip
        self._journal.write("campaign", version=response.json()["version"])

    async def _asked(self, method: str, url: str, **request: Any) -> httpx.Response:
        """Repeated until the service accepts it. Raises NotAcknowledged when it refuses, or does not in time."""
        deadline = asyncio.get_running_loop().time() + PATIENCE_SECONDS
        trouble = ""
        while asyncio.get_running_loop().time() < deadline:
            try:
                response = await self._client.request(method, url, **request)
                if response.status_code < 300:
                    return response
                if response.status_code < 500 and response.status_code not in (409, 429):
                    raise NotAcknowledged(f"{method} {url} returned {response.status_code}: {response.text[:300]}")
                trouble = f"status {response.status_code}: {response.text[:200]}"
            except httpx.TransportError as error:
                trouble = type(error).__name__
            await asyncio.sleep(0.3)
        raise NotAcknowledged(f"{method} {url} was repeated for {PATIENCE_SECONDS:.0f} s; last: {trouble}")

    # Its customers

    async def _read_mail(self) -> None:
        while True:
            for mail in await self._mailbox.new():
                if mail.answer_links:
                    self._begin(self._react(mail))
            await asyncio.sleep(0.2)

    async def _react(self, mail: Mail) -> None:
        random = Random(f"{self._seed}/{mail.to}/{mail.send_id}")
        reaction = random.choices(list(REACTIONS), list(REACTIONS.values()))[0]
        score = random.choices(range(11), (4, 2, 3, 3, 3, 5, 6, 12, 18, 24, 20))[0]
        if reaction == "scanned":
            for link in mail.links:
                await self._visitor.view(link)
            reaction = random.choice(("silent", "answers"))
        await self._after(random.uniform(0.2, 24))
        match reaction:
            case "answers":
                await self._answer(mail, score)
            case "comments":
                await self._answer(mail, score, comment=f"It was number {random.randrange(1_000)} for me")
            case "insists":
                await asyncio.gather(*(self._answer(mail, score) for _ in range(3)))
            case "changes":
                await self._answer(mail, score)
                await self._after(random.uniform(0.2, 40))
                await self._answer(mail, random.randrange(11))
            case "unsubscribes":
                await self._unsubscribe(mail)
            case "erased" if mail.to in self._people:
                customer_id, order_ids = self._people[mail.to]
                if customer_id.startswith("c-"):
                    if random.random() < 0.7:
                        await self._answer(mail, score, comment=f"Forget me afterwards, {mail.send_id}")
                    await self._erase(customer_id, mail.to, order_ids)

    async def _answer(self, mail: Mail, score: int, comment: str | None = None) -> None:
        begun_at = self._journal.now()
        try:
            told = await self._visitor.answer(mail.answer_url, score, comment=comment)
        except NotAcknowledged:
            if mail.to in self._gone:
                return  # whoever was erased, here or as the mailbox's other customer, has no survey any more
            raise
        self._journal.write(
            "answered", send_id=mail.send_id, score=score, comment=comment, answer_id=told.answer_id,
            revision=told.revision, begun_at=begun_at,
        )  # fmt: skip

    async def _unsubscribe(self, mail: Mail) -> None:
        assert mail.unsubscribe_url is not None
        begun_at = self._journal.now()
        try:
            await self._visitor.unsubscribe(mail.unsubscribe_url)
        except NotAcknowledged:
            if mail.to in self._gone:
                return
            raise
        self._journal.write("unsubscribed", send_id=mail.send_id, address=mail.to, begun_at=begun_at)

    # Somebody outside

    async def _watch_preferences(self) -> None:
        """When a record was there to be read by anybody: a lower bound of what the dispatcher could know."""
        while True:
            consumer = AIOKafkaConsumer(
                "customers.preferences", bootstrap_servers=self._stack.kafka_bootstrap_servers, group_id=None,
                auto_offset_reset="earliest", enable_auto_commit=False,
            )  # fmt: skip
            try:
                await consumer.start()
                while True:
                    batches = await next_records(consumer, consumer.assignment())
                    for record in chain.from_iterable(batches.values()):
                        headers = dict(record.headers)
                        kind = (headers.get("ce_type") or b"").decode("utf-8", "replace")
                        self._journal.write("seen", key=(record.key or b"").decode("utf-8", "replace"), type=kind)
            except (KafkaError, OSError):
                await asyncio.sleep(0.5)
            finally:
                with contextlib.suppress(KafkaError, OSError):
                    await _within(5, consumer.stop())


async def _within(seconds: float, work: Awaitable[None]) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(work, seconds)
