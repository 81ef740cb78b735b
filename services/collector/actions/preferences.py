"""A customer's wish about surveys, taken through the link in each of them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from services.collector.actions.answers import Contended, ErasedSurvey
from services.collector.domain.preferences import Wish, channels_after, wished_since
from services.collector.repository import erasures
from services.collector.repository import pending_preferences as early_wishes
from services.collector.repository import sends as repository
from services.collector.repository.sends import Owner, Preferences
from services.collector.settings import CollectorSettings
from shared import metrics, tracing
from shared.contracts import identity, topics
from shared.contracts.events import Event
from shared.contracts.preferences import RESUBSCRIBED, UNSUBSCRIBED, Preference
from shared.messaging.outbox import Outbox
from shared.runtime import Runtime

log = structlog.get_logger()

_ROUNDS = 50
_KINDS: dict[Wish, str] = {"unsubscribe": UNSUBSCRIBED, "resubscribe": RESUBSCRIBED}


@dataclass(frozen=True, slots=True)
class Wished:
    """What one customer wants, since when, and through which address they said so."""

    owner: Owner
    wish: Wish
    at: datetime
    early: bool = False
    """It waited for its send: a wish made since then goes first."""


async def change_preference(runtime: Runtime[CollectorSettings], send_id: str, wish: Wish) -> bool:
    """Makes it so, and tells everybody; nothing happens when it already is so. Links of closed surveys work too.

    True when done. False when the send is not known here: then the wish is kept, and settled with the send. A mail
    program says it once and never again. Raises ErasedSurvey or Contended; then nothing was changed.
    """
    answer_id = identity.answer_id(send_id)
    async with runtime.transaction() as connection:
        survey = await repository.hold_survey(connection, send_id, answer_id)
        if survey is None:
            await early_wishes.hold_off_sends(connection)
            survey = await repository.hold_survey(connection, send_id, answer_id)
        now = runtime.clock.now()
        if survey is None:
            await early_wishes.keep(connection, send_id, wish, now)
            metrics.early_wishes.labels("kept").inc()
            return False
        send = survey.send
        if send.customer_id is None:
            raise ErasedSurvey("the data of this survey's customer was erased")
        wished = Wished(Owner(send.customer_id, send.channel, send.address), wish, now)
        await _settle(connection, runtime.outbox, _secret(runtime), [wished])
        return True


async def settle_early_wishes(
    connection: AsyncConnection, outbox: Outbox, secret: str, send_ids: Sequence[str]
) -> None:
    """Does what was wished before these sends came; of several wishes of one customer, the last. The transaction has
    to have called ``early_wishes.hold_off_wishes`` before it added the sends."""
    taken = await early_wishes.take(connection, send_ids)
    if not taken:
        return
    owners = await repository.read_owners(connection, [early.send_id for early in taken])
    last: dict[str, Wished] = {}
    for early in sorted(taken, key=lambda early: early.wished_at):
        if (owner := owners.get(early.send_id)) is not None:
            last[owner.customer_id] = Wished(owner, early.wish, early.wished_at, early=True)
    await _settle(connection, outbox, secret, last.values())
    metrics.early_wishes.labels("settled").inc(len(taken))


async def prune_early_wishes(runtime: Runtime[CollectorSettings]) -> bool:
    """Removes one batch of wishes whose sends have not come for as long as Kafka keeps sends, and so never will;
    True when there may be more."""
    days, limit = topics.SENDS.retention_days, runtime.settings.prune_batch_size
    assert days is not None
    async with runtime.engine.begin() as connection:
        dropped = await early_wishes.prune(connection, runtime.clock.now() - timedelta(days=days), limit)
    if dropped:
        metrics.early_wishes.labels("dropped").inc(dropped)
        log.warning("wishes about surveys that were removed or never came are dropped", wishes=dropped, after_days=days)
    return dropped == limit


def preference_event(kind: str, body: Preference) -> Event:
    return Event(
        topic=topics.PREFERENCES.name,
        key=body.customer_id,
        event_id=identity.event_id(kind, body.customer_id, body.revision),
        type=kind,
        time=body.occurred_at,
        body=body,
        traceparent=tracing.current(),
    )


async def _settle(connection: AsyncConnection, outbox: Outbox, secret: str, wishes: Iterable[Wished]) -> None:
    """Writes what the wishes change, with its events; at most one wish a customer. Raises Contended."""
    waiting = {wished.owner.customer_id: wished for wished in wishes}
    for _ in range(_ROUNDS):
        changed = await _changed(connection, secret, waiting)
        if not changed:
            return
        written = await repository.put_preferences(connection, changed)
        events = [_event(waiting[customer_id], changed[customer_id]) for customer_id in sorted(written)]
        await outbox.put(connection, events)
        waiting = {customer_id: waiting[customer_id] for customer_id in changed.keys() - written}
        if not waiting:
            return
    raise Contended(f"the preferences changed {_ROUNDS} times while they were being changed")


async def _changed(connection: AsyncConnection, secret: str, wishes: Mapping[str, Wished]) -> dict[str, Preferences]:
    """The preferences as they will be, of those whose wish changes them."""
    known = await repository.read_preferences(connection, sorted(wishes))
    # One who was erased once must not start at 1 again.
    before = await erasures.last_preference_revisions(connection, secret, wishes.keys() - known.keys())
    changed = {}
    for customer_id, wished in wishes.items():
        stored = known.get(customer_id) or Preferences(before[customer_id], [])
        if wished.early and wished_since(stored.channels, wished.at):
            continue
        owner = wished.owner
        channels = channels_after(stored.channels, wished.wish, owner.address, owner.channel, wished.at)
        if channels is not None:
            changed[customer_id] = Preferences(stored.revision + 1, channels)
    return changed


def _event(wished: Wished, preferences: Preferences) -> Event:
    body = Preference(
        customer_id=wished.owner.customer_id,
        revision=preferences.revision,
        channels=preferences.channels,
        occurred_at=wished.at,
    )
    return preference_event(_KINDS[wished.wish], body)


def _secret(runtime: Runtime[CollectorSettings]) -> str:
    return runtime.settings.secret.get_secret_value()
