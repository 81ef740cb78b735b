"""Applies routing rules: from the file at startup, through the API at runtime."""

import hashlib

import structlog

from services.alerter.domain.routing import Routing, RoutingVersion, parse
from services.alerter.queries.routing import current
from services.alerter.repository import routing as repository
from services.alerter.repository.routing import StoredRouting
from services.alerter.settings import AlerterSettings
from shared import definitions
from shared.contracts.topics import followup_topic
from shared.messaging.topics import ensure_topics
from shared.runtime import Runtime

log = structlog.get_logger()


class RoutingChanged(Exception):
    """Somebody has replaced the rules since the client read them."""

    def __init__(self, version: int) -> None:
        super().__init__(f"the current rules are now version {version}; read them again, then resend your change")
        self.version = version


async def start(runtime: Runtime[AlerterSettings]) -> None:
    """Applies the rules file if it changed since it was last applied; creates the queues' topics.

    Raises InvalidDefinition, naming the file, when it is invalid. Changes through the API stay until the file changes.
    """
    file = runtime.settings.routing_file
    document = definitions.read_file(file, setting="HEARBACK_ROUTING_FILE")
    routing = parse(document, where=str(file))
    digest = hashlib.sha256(document.encode()).hexdigest()
    await _ensure_topics(runtime, routing)
    async with runtime.transaction() as connection:
        stored = await repository.lock(connection)
        said_last = None if stored is None else stored.file_digest
        if definitions.file_takes_effect(digest, said_last=said_last):
            version = 1 if stored is None else stored.version + 1
            await repository.save(
                connection,
                StoredRouting(
                    version=version,
                    document=document,
                    file_digest=digest,
                    changed_at=runtime.clock.now(),
                    changed_by=file.name,
                ),
            )
            log.info("routing rules loaded from the file", file=file.name, version=version)
        routing = (await current(connection)).routing
    await _ensure_topics(runtime, routing)


async def replace(
    runtime: Runtime[AlerterSettings], document: str, *, expected: int | None, actor: str
) -> RoutingVersion:
    """Replaces the rules; existing cases keep their queue and deadline.

    Raises InvalidDefinition for invalid rules, RoutingChanged when the current version is not ``expected`` (if given).
    """
    routing = parse(document, where="routing rules")
    await _ensure_topics(runtime, routing)
    async with runtime.transaction() as connection:
        stored = await repository.lock(connection)
        assert stored is not None
        if expected is not None and stored.version != expected:
            raise RoutingChanged(stored.version)
        version = stored.version + 1
        await repository.save(
            connection,
            StoredRouting(
                version=version,
                document=document,
                file_digest=stored.file_digest,
                changed_at=runtime.clock.now(),
                changed_by=actor,
            ),
        )
    log.info("routing rules replaced", version=version, by=actor)
    return RoutingVersion(version, routing)


async def _ensure_topics(runtime: Runtime[AlerterSettings], routing: Routing) -> None:
    await ensure_topics(runtime.settings, [followup_topic(queue) for queue in routing.queues])
