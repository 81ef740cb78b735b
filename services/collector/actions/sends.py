"""Surveys that were sent: stored on arrival, deleted long after they closed."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from services.collector.actions import pending_preferences as pending_actions
from services.collector.queries import shared_ids as shared_names
from services.collector.repository import erasures, pending_preferences, sends, shared_ids
from services.collector.settings import CollectorSettings
from shared.contracts.sends import SurveySent
from shared.erasures import is_erased
from shared.persistence.transaction import transaction
from shared.runtime import Runtime


async def store(
    connection: AsyncConnection, runtime: Runtime[CollectorSettings], surveys: Sequence[SurveySent]
) -> None:
    """Stores the surveys, without the personal data of customers erased after they were sent, or after their order
    began: the erasure may have arrived first, or too late for the dispatcher. So may a preference change, which is
    applied here."""
    await shared_ids.hold_off(connection)
    surveys = await _told_apart(connection, runtime, surveys)
    digest = runtime.digests.digest
    digests = {survey.customer_id: digest(survey.customer_id) for survey in surveys}
    erased_at = await erasures.erased_among(connection, sorted(set(digests.values())))
    erased = {
        survey.send_id: moment
        for survey in surveys
        if (moment := erased_at.get(digests[survey.customer_id]))
        and is_erased(survey.order_began_at or survey.sent_at, erased_at=moment)
    }
    await pending_preferences.hold_off_changes(connection)
    await sends.put(connection, surveys, erased)
    await pending_actions.settle(connection, runtime, [survey.send_id for survey in surveys])


async def _told_apart(
    connection: AsyncConnection, runtime: Runtime[CollectorSettings], surveys: Sequence[SurveySent]
) -> list[SurveySent]:
    """The surveys, those that were decided before it was known that an id is many people's as whose address they
    have."""
    named = {survey.customer_id for survey in surveys}
    shared = await shared_names.among(connection, runtime.digests, runtime.guests, named)
    return [
        survey.model_copy(update={"customer_id": runtime.guests.of_mailbox(survey.recipient.address)})
        if survey.customer_id in shared
        else survey
        for survey in surveys
    ]


async def prune(runtime: Runtime[CollectorSettings]) -> bool:
    """Deletes one batch of surveys that closed long ago; True when there may be more."""
    settings = runtime.settings
    before = runtime.clock.now() - timedelta(days=settings.send_retention_days)
    async with transaction(runtime.engine) as connection:
        deleted = await sends.prune(connection, before, settings.prune_batch_size)
    return deleted == settings.prune_batch_size
