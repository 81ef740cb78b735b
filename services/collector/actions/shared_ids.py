"""Tells people apart whose customer id turned out to be many people's: each survey is whose address it was sent to."""

from collections.abc import Collection

from sqlalchemy.ext.asyncio import AsyncConnection

from services.collector.domain.answers import erased_answer
from services.collector.repository import erasures, shared_ids
from services.collector.settings import CollectorSettings
from shared.contracts import answers
from shared.erasures import is_erased
from shared.runtime import Runtime


async def tell_apart(
    connection: AsyncConnection, runtime: Runtime[CollectorSettings], customer_ids: Collection[str]
) -> None:
    """From now on the ids are many people's. Of somebody who was erased as a guest before it was known that a survey
    was theirs, it is erased, too. Idempotent."""
    digest = runtime.digests.digest
    await erasures.hold_off(connection)
    await shared_ids.remember(connection, {digest(customer_id) for customer_id in customer_ids})
    sent = await shared_ids.sent_under(connection, customer_ids)
    customer_of = {each.send_id: runtime.guests.of_mailbox(each.address) for each in sent}
    await shared_ids.tell_apart(connection, customer_of)
    erased_at = await erasures.erased_among(connection, sorted({digest(each) for each in customer_of.values()}))
    gone = {
        each.send_id: at
        for each in sent
        if (at := erased_at.get(digest(customer_of[each.send_id]))) and is_erased(each.sent_at, erased_at=at)
    }
    now = runtime.clock.now()
    wiped = await erasures.wipe_sends(connection, gone, now)
    bodies = [erased_answer(answer, now, runtime.settings.zone) for answer in wiped]
    await runtime.outbox.put(
        connection, [answers.event(body) for body in sorted(bodies, key=lambda body: body.answer_id)]
    )
