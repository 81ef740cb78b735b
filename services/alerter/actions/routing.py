"""The routing rules in force: from the file at start, from the API while running, from the database at every use."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerter.domain.routing import Routing, RoutingError, parse
from services.alerter.repository import routing as stored_rules
from services.alerter.repository.routing import Stored
from services.alerter.settings import AlerterSettings
from shared.contracts.topics import followup_topic
from shared.messaging.topics import ensure_topics
from shared.runtime import Runtime

log = structlog.get_logger()


class RoutingChanged(Exception):
    """Somebody replaced the rules since the sender read them."""

    def __init__(self, version: int) -> None:
        super().__init__(f"the rules in force are version {version} by now; read them again, then send your change")
        self.version = version


@dataclass(frozen=True, slots=True)
class InForce:
    version: int
    routing: Routing


class Rules:
    """Every replica asks the database for the version in each transaction, so that all follow the same rules."""

    def __init__(self, runtime: Runtime[AlerterSettings]) -> None:
        self._runtime = runtime
        self._file = runtime.settings.routing_file
        self._known: InForce | None = None

    async def start(self) -> None:
        """Takes over the rules file if it is not the one taken over last, and makes the queues' topics.

        Raises RoutingError, naming the file, when it cannot be used. What the API wrote stays until the file changes.
        """
        document = read_file(self._file)
        digest = hashlib.sha256(document.encode()).hexdigest()
        try:
            routing = parse(document)
        except RoutingError as error:
            raise RoutingError(f"{self._file}: {error}") from error
        await self._ensure_queues(routing)
        async with self._runtime.transaction() as connection:
            stored = await stored_rules.lock(connection)
            if stored is None or stored.file_digest != digest:
                version = 1 if stored is None else stored.version + 1
                now = self._runtime.clock.now()
                await stored_rules.save(connection, Stored(version, document, digest, now, self._file.name))
                log.info("routing rules taken over", file=self._file.name, version=version)
            in_force = await self.current(connection)
        await self._ensure_queues(in_force.routing)

    async def current(self, connection: AsyncConnection) -> InForce:
        """The rules in force in this transaction."""
        version = await stored_rules.version(connection)
        if self._known is None or self._known.version != version:
            stored = await stored_rules.read(connection)
            if stored is None:
                raise RuntimeError("there are no routing rules yet; Rules.start must run first")
            self._known = InForce(stored.version, parse(stored.document))
        return self._known

    async def replace(self, document: str, expected: int | None, actor: str) -> InForce:
        """Puts other rules in force; cases that are there keep their queue and deadline.

        Raises RoutingError for rules that cannot be used, RoutingChanged unless version ``expected`` is in force.
        """
        routing = parse(document)
        await self._ensure_queues(routing)
        async with self._runtime.transaction() as connection:
            stored = await stored_rules.lock(connection)
            assert stored is not None
            if expected is not None and stored.version != expected:
                raise RoutingChanged(stored.version)
            version = stored.version + 1
            now = self._runtime.clock.now()
            await stored_rules.save(connection, Stored(version, document, stored.file_digest, now, actor))
        log.info("routing rules replaced", version=version, by=actor)
        return InForce(version, routing)

    async def _ensure_queues(self, routing: Routing) -> None:
        await ensure_topics(self._runtime.settings, [followup_topic(queue) for queue in routing.queues])


def read_file(path: Path) -> str:
    """The text of a rules file; RoutingError when there is none to read."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RoutingError(
            f"HEARBACK_ROUTING_FILE: cannot read {path} ({type(error).__name__}); give the path of a YAML file"
        ) from error
