"""Applies routing rules: from the file at startup, through the API at runtime."""

import hashlib
from dataclasses import dataclass

import structlog

from services.alerter.domain.routing import MAX_QUEUE_TOPICS, Routing, parse
from services.alerter.queries.routing import current
from services.alerter.repository import routing as repository
from services.alerter.repository.routing import StoredRouting
from services.alerter.settings import DEFAULT_ROUTING, AlerterSettings
from shared import definitions
from shared.contracts.followups import TOPIC_PREFIX
from shared.contracts.topics import DEAD_LETTER_SUFFIX, followup_topic
from shared.messaging.topics import ensure_topics, topic_names
from shared.runtime import Runtime

log = structlog.get_logger()


class RoutingChanged(Exception):
    """Somebody has replaced the rules since the client read them."""

    def __init__(self, version: int) -> None:
        super().__init__(f"the current rules are now version {version}; read them again, then resend your change")
        self.version = version


class TooManyQueues(Exception):
    """The rules would need more topics than there may be."""

    def __init__(self, *, existing: int, new: int) -> None:
        super().__init__(
            f"the rules need {new} new queues, and there are topics of {existing}; {MAX_QUEUE_TOPICS} is the most. "
            "Use queues that exist, or delete the topics of those no longer used."
        )


@dataclass(frozen=True, slots=True)
class Replaced:
    """The rules now in force, and the topics that were created for new queues."""

    version: int
    routing: Routing
    topics_created: list[str]


async def start(runtime: Runtime[AlerterSettings]) -> None:
    """Applies the rules file if it changed since it was last applied; creates the queues' topics.

    Raises InvalidDefinition, naming the file, when it is invalid. Changes through the API stay until the file changes;
    if that is the file we ship, they stay whatever comes with an upgrade.
    """
    file = runtime.settings.routing_file
    document = definitions.read_file(file, setting="HEARBACK_ROUTING_FILE")
    routing = parse(document, where=str(file))
    digest = _digest(document)
    await _ensure_topics(runtime, routing)
    async with runtime.transaction() as connection:
        stored = await repository.lock(connection)
        said_last = None if stored is None else stored.file_digest
        shipped, by_api = file == DEFAULT_ROUTING, stored is not None and _digest(stored.document) != stored.file_digest
        if definitions.file_takes_effect(digest, said_last=said_last, shipped=shipped, changed_by_api=by_api):
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
        elif stored is not None and digest != said_last:
            log.warning(
                "the routing rules of this release differ from the last ones; those set through the API stay",
                by=stored.changed_by,
                version=stored.version,
            )
        routing = (await current(connection)).routing
    await _ensure_topics(runtime, routing)


async def replace(runtime: Runtime[AlerterSettings], document: str, *, expected: int | None, actor: str) -> Replaced:
    """Replaces the rules; existing cases keep their queue and deadline.

    Raises InvalidDefinition for invalid rules, RoutingChanged when the current version is not ``expected`` (if given),
    TooManyQueues when they would need more topics than there may be.
    """
    routing = parse(document, where="routing rules")
    async with runtime.read_only() as connection:
        _expect((await current(connection)).version, expected)
    created = await _ensure_topics(runtime, routing, at_most=MAX_QUEUE_TOPICS)
    async with runtime.transaction() as connection:
        stored = await repository.lock(connection)
        assert stored is not None
        _expect(stored.version, expected)
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
    log.info("routing rules replaced", version=version, by=actor, topics_created=created)
    return Replaced(version, routing, created)


def _expect(version: int, expected: int | None) -> None:
    if expected is not None and version != expected:
        raise RoutingChanged(version)


async def _ensure_topics(
    runtime: Runtime[AlerterSettings], routing: Routing, *, at_most: int | None = None
) -> list[str]:
    """Creates the queues' missing topics and returns their names; of all queues together ``at_most``, if given."""
    wanted = [followup_topic(queue) for queue in routing.queues]
    if at_most is not None:
        names = await topic_names(runtime.settings)
        existing = {name for name in names if name.startswith(TOPIC_PREFIX) and not name.endswith(DEAD_LETTER_SUFFIX)}
        if len(existing.union(topic.name for topic in wanted)) > max(at_most, len(existing)):
            raise TooManyQueues(existing=len(existing), new=len({topic.name for topic in wanted} - existing))
    return await ensure_topics(runtime.settings, wanted)


def _digest(document: str) -> str:
    return hashlib.sha256(document.encode()).hexdigest()
