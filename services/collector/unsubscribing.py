"""A customer's wish about surveys, taken through the link in each of them."""

from sqlalchemy.ext.asyncio import AsyncConnection

from services.collector import erasures, repository
from services.collector.answering import Contended, ErasedSurvey, UnknownSurvey
from services.collector.domain.preferences import Wish, channels_after
from services.collector.repository import Preferences
from services.collector.settings import CollectorSettings
from shared import tracing
from shared.contracts import identity, topics
from shared.contracts.cloudevents import Event
from shared.contracts.preferences import RESUBSCRIBED, UNSUBSCRIBED, Preference
from shared.runtime import Runtime

_ROUNDS = 50
_KINDS: dict[Wish, str] = {"unsubscribe": UNSUBSCRIBED, "resubscribe": RESUBSCRIBED}


async def change_preference(runtime: Runtime[CollectorSettings], send_id: str, wish: Wish) -> None:
    """Makes it so, and tells everybody; nothing happens when it already is so. Links of closed surveys work too.

    Raises UnknownSurvey, ErasedSurvey or Contended; then nothing was changed.
    """
    for _ in range(_ROUNDS):
        async with runtime.transaction() as connection:
            survey = await repository.hold_survey(connection, send_id, identity.answer_id(send_id))
            if survey is None:
                raise UnknownSurvey("the survey is not known here yet; try again in a few seconds")
            send, now = survey.send, runtime.clock.now()
            if send.customer_id is None:
                raise ErasedSurvey("the data of this survey's customer was erased")
            known = await repository.read_preferences(connection, send.customer_id)
            channels = channels_after(known.channels if known else [], wish, send.address, send.channel, now)
            if channels is None:
                return
            revision = 1 + (known.revision if known else await _last_revision(runtime, connection, send.customer_id))
            if await repository.put_preferences(connection, send.customer_id, Preferences(revision, channels)):
                body = Preference(customer_id=send.customer_id, revision=revision, channels=channels, occurred_at=now)
                await runtime.outbox.put(connection, [preference_event(_KINDS[wish], body)])
                return
    raise Contended(f"the preferences changed {_ROUNDS} times while they were being changed")


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


async def _last_revision(runtime: Runtime[CollectorSettings], connection: AsyncConnection, customer_id: str) -> int:
    """Where a customer without preferences goes on from: one who was erased once must not start at 1 again."""
    digest = erasures.digest(runtime.settings.secret.get_secret_value(), customer_id)
    return await erasures.last_preference_revision(connection, digest)
