"""What the parts of a service are built from: its settings and the resources created from them."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.clock import Clock, clock_from
from shared.contracts.campaigns import Brand
from shared.contracts.topics import CONSUMED_BY
from shared.digests import CustomerDigests
from shared.guests import Guests
from shared.health import Health
from shared.links import Links
from shared.loops import Handled
from shared.messaging.outbox import Outbox
from shared.messaging.reading import Reading, Reads
from shared.messaging.relay import Relay
from shared.persistence.engine import open_engine
from shared.persistence.transaction import autocommit, read_only, transaction
from shared.settings import ServiceSettings

S = TypeVar("S", bound=ServiceSettings)


@dataclass
class Runtime(Generic[S]):
    """The settings and resources of a service; created by ``open_runtime``.

    What is pushed on ``closing`` ends after HTTP and the loops, and before the engine.
    """

    name: str
    settings: S
    clock: Clock
    engine: AsyncEngine
    outbox: Outbox
    relay: Relay
    health: Health
    links: Links
    digests: CustomerDigests
    guests: Guests
    brand: Brand
    reads: Reads
    handled: Handled
    closing: contextlib.AsyncExitStack

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that commits at the end of the block; its events in the outbox are then published."""
        async with transaction(self.engine) as connection:
            yield connection
        self.relay.wake()

    @contextlib.asynccontextmanager
    async def autocommit(self) -> AsyncIterator[AsyncConnection]:
        """A connection for a single statement, with no transaction around it.

        For loops that poll many times per second and mostly find nothing: BEGIN and COMMIT would be most of their cost.
        """
        async with autocommit(self.engine) as connection:
            yield connection

    @contextlib.asynccontextmanager
    async def read_only(self) -> AsyncIterator[AsyncConnection]:
        """A connection with a read-only transaction, in which every statement reads the same snapshot."""
        async with read_only(self.engine) as connection:
            yield connection


@contextlib.asynccontextmanager
async def open_runtime(name: str, settings: S, *, schema: str | None = None) -> AsyncIterator[Runtime[S]]:
    """The resources of a service without its loops, for ``process.run`` and for tests of its parts.

    ``schema`` names the service whose tables these are, if not ``name``: decisions wait for what that one has to read.
    """
    engine = open_engine(settings.database_url.get_secret_value(), name=name, pool_size=settings.database_pool_size)
    health = Health()
    clock = clock_from(settings.clock)
    owner = schema or name
    reading = Reading(owner, CONSUMED_BY.get(owner, ()), engine=engine, settings=settings, clock=clock, health=health)
    # Digests are stored and looked up, so theirs is the one secret that never changes.
    digests = CustomerDigests(settings.secrets[-1])
    async with contextlib.AsyncExitStack() as closing:
        closing.push_async_callback(engine.dispose)
        closing.push_async_callback(reading.close)
        yield Runtime(
            name=name,
            settings=settings,
            clock=clock,
            engine=engine,
            outbox=Outbox(f"/hearback/{name}"),
            relay=Relay(settings, health, name),
            health=health,
            links=Links(secrets=settings.secrets, collector_url=settings.public_collector_url),
            digests=digests,
            guests=Guests(settings.guest_ids.split(","), digests),
            brand=Brand(name=settings.brand_name, logo_url=settings.brand_logo_url or None, color=settings.brand_color),
            reads=reading,
            handled=Handled(),
            closing=closing,
        )
