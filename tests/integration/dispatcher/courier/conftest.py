"""A courier on a fresh database, and a mail server to deliver to."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from pydantic import SecretStr
from sqlalchemy import text

from deploy.local.provision import Database
from services.dispatcher.courier.channels.email.channel import EmailChannel
from services.dispatcher.courier.domain.deliveries import NewDelivery
from services.dispatcher.courier.loops.deliver import DeliverLoop
from services.dispatcher.courier.loops.unresolved import UnresolvedLoop
from services.dispatcher.courier.repository import deliveries as repository
from services.dispatcher.courier.settings import CourierSettings
from shared.contracts.sends import Recipient, SurveySent
from shared.mail.message import Email
from shared.runtime import Runtime, open_runtime
from tests.integration.dispatcher.courier.post_office import PostOffice, open_post_office
from tests.kit.outbox import published
from tests.kit.reading import EverythingRead
from tests.kit.settings import settings_for

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)


def survey(number: int = 1, **changes: Any) -> SurveySent:
    return SurveySent.model_validate(
        {
            "send_id": f"send-{number}",
            "campaign": "service-nps",
            "campaign_version": 1,
            "channel": "email",
            "locale": "en",
            "customer_id": f"customer-{number}",
            "recipient": Recipient(address=f"ana-{number}@example.com", name="Ana"),
            "order_id": f"order-{number}",
            "product": "Wooden train",
            "segments": {"country": "BR"},
            "answer_url": f"https://answers.test/s/{number}",
            "unsubscribe_url": f"https://answers.test/unsubscribe/{number}",
            "due_at": NOW,
            "sent_at": NOW,
            "expires_at": NOW + timedelta(days=30),
            **changes,
        }
    )


@dataclass
class Office:
    """One courier process's worth of parts, called step by step."""

    runtime: Runtime[CourierSettings]
    channel: EmailChannel
    deliver: DeliverLoop[Email]
    unresolved: UnresolvedLoop

    async def queue(self, surveys: Sequence[SurveySent]) -> None:
        deliveries = [
            NewDelivery(survey=each, message_id=self.channel.message_id(each.send_id), traceparent=None)
            for each in surveys
        ]
        async with self.runtime.transaction() as connection:
            await repository.queue(connection, deliveries)

    async def carry(self) -> None:
        """Steps until nothing is due."""
        for _ in range(100):
            if not await self.deliver.step():
                return
        raise AssertionError("the courier never finishes")

    async def at_once(self) -> None:
        """Makes everything deferred, or under a lease, due now."""
        async with self.runtime.transaction() as connection:
            await connection.execute(text("UPDATE deliveries SET available_at = now() - interval '1 second'"))

    async def states(self) -> Mapping[str, str]:
        async with self.runtime.read_only() as connection:
            rows = await connection.execute(text("SELECT send_id, state FROM deliveries"))
            return {row.send_id: row.state for row in rows}

    async def rows(self, query: str) -> Sequence[Any]:
        async with self.runtime.read_only() as connection:
            return (await connection.execute(text(query))).all()

    async def published(self) -> list[tuple[str, str, str | None]]:
        """(ce_type, send id, reason) of every event in the outbox, in order."""
        records = await published(self.runtime, "surveys.deliveries")
        return [(one.type, one.body["send_id"], one.body.get("reason")) for one in records]


async def recover(heir: Office) -> None:
    """What another courier does once the leases of the dead one have expired."""
    await heir.carry()
    for _ in range(3):
        await heir.at_once()
        await heir.unresolved.step()
        await heir.carry()


@pytest_asyncio.fixture(loop_scope="session")
async def post() -> AsyncIterator[PostOffice]:
    async with open_post_office() as office:
        yield office


@pytest.fixture
def clock_file(tmp_path: Any) -> str:
    from shared.clock import SteppedClock

    SteppedClock.create(tmp_path / "clock", NOW + timedelta(minutes=5))
    return f"file:{tmp_path / 'clock'}"


Open = Callable[..., Any]


@pytest_asyncio.fixture(loop_scope="session")
async def open_office(database: Database, post: PostOffice, clock_file: str) -> AsyncIterator[Open]:
    """Opens couriers on one database; settings by keyword, ``receipts=False`` for none."""
    async with AsyncExitStack() as stack:

        async def open_one(*, receipts: bool = True, **settings: Any) -> Office:
            values: dict[str, Any] = {
                "smtp_url": SecretStr(f"smtp://127.0.0.1:{post.port}"),
                "mail_from": "surveys@shop.test",
                "clock": clock_file,
                "courier_mail_seconds": 1,
                "courier_lease_seconds": 3,
                "smtp_receipts_url": post.receipts_url if receipts else "",
                **settings,
            }
            loaded = settings_for(CourierSettings, database.service_urls["dispatcher"], **values)
            runtime = await stack.enter_async_context(open_runtime("courier", loaded))
            runtime.reads = EverythingRead(runtime)
            channel = EmailChannel(loaded)
            stack.push_async_callback(channel.close)
            return Office(runtime, channel, DeliverLoop(runtime, channel), UnresolvedLoop(runtime, channel))

        yield open_one


@pytest_asyncio.fixture(loop_scope="session")
async def office(open_office: Open) -> Office:
    opened: Office = await open_office()
    return opened
