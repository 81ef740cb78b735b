"""An erasure reaches events that are not published yet, because the broker is away or refuses them.

What was published before is forgotten by its topic: by age, or because a later record of its key replaces it. What
waits in the outbox, or was set aside, would stay as long as it cannot be published, and then begin that time anew.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.contracts import answers, preferences, sends
from shared.contracts.topics import DEAD_LETTER_SUFFIX
from shared.erasures import is_erased
from shared.messaging.records import Record
from shared.messaging.repository import unpublished
from shared.messaging.repository.unpublished import Waiting
from shared.moments import parse_moment

_OF_A_PERSON = ("customer_id", "order_id", "comment", "further_answers")
ERASED = "erased"
"""What stands for an address that was erased: a survey has to have one."""


async def blank(connection: AsyncConnection, erased: Mapping[str, datetime]) -> None:
    """Takes what describes a person out of waiting events about these customers, by id when each was erased.

    The events themselves are published, for those who count them: a survey that was decided to be sent has an outcome,
    an unsubscription outlives the erasure, and a dead letter has a place. Only the shop's id is left.
    """
    for table in unpublished.PLACES if erased else ():
        waiting = await unpublished.about(
            connection, table, [customer_id.encode() for customer_id in erased], _in_quotes(erased)
        )
        blanked = [Waiting(each.outbox_id, _blanked(each.record, erased)) for each in waiting]
        changed = [after for before, after in zip(waiting, blanked, strict=True) if after.record != before.record]
        await unpublished.replace(connection, table, changed)


async def blank_answers(connection: AsyncConnection, answer_ids: Collection[str]) -> None:
    """Takes what describes a person out of waiting revisions of these answers.

    They are published, and not only the erasure after them: only they say which survey was answered.
    """
    for table in unpublished.PLACES if answer_ids else ():
        waiting = await unpublished.about(connection, table, [answer_id.encode() for answer_id in answer_ids], [])
        ours = [each for each in waiting if each.record.topic == answers.TOPIC and each.record.value is not None]
        await unpublished.replace(
            connection, table, [Waiting(each.outbox_id, _without_person(each.record)) for each in ours]
        )


async def replaced(connection: AsyncConnection, topic_prefix: str, keys: Collection[str]) -> None:
    """Of waiting events under these keys, leaves the newest of each compacted topic whose name begins so.

    To be called once the events that erase are in the outbox: those before them are never published.
    """
    if keys:
        await unpublished.compact(connection, topic_prefix, [key.encode() for key in keys])


def _blanked(record: Record, erased: Mapping[str, datetime]) -> Record:
    if record.topic.endswith(DEAD_LETTER_SUFFIX):
        # Nothing in it can be relied on, not even when it happened.
        headers = [header for header in record.headers if header[0].startswith(("hearback-", "ce_"))]
        told = [header for header in headers if header[0] != "hearback-value"]
        return replace(record, value=b"", headers=[*told, ("hearback-value", ERASED.encode())])
    if record.value is None or record.topic not in (sends.TOPIC, preferences.TOPIC):
        return record
    body = orjson.loads(record.value)
    at = parse_moment(body["sent_at" if record.topic == sends.TOPIC else "occurred_at"])
    if not is_erased(at, erased_at=erased[body["customer_id"]]):
        return record
    if record.topic == sends.TOPIC:
        body["recipient"] = {"address": ERASED}
        body.pop("product", None)
    else:
        for channel in body.get("channels", ()):
            channel.pop("address", None)
    return replace(record, value=orjson.dumps(body))


def _without_person(record: Record) -> Record:
    body = orjson.loads(record.value or b"{}")
    for field in _OF_A_PERSON:
        body.pop(field, None)
    return replace(record, value=orjson.dumps(body))


def _in_quotes(ids: Collection[str]) -> list[bytes]:
    """The ids as JSON writes them, with other characters than ASCII as they are, or escaped."""
    forms = {json.dumps(one, ensure_ascii=escaped) for one in ids for escaped in (True, False)}
    return sorted(form.encode() for form in forms)
