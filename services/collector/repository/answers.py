"""SQL for answers.

New answers are added by one statement, with their events. Others are read and locked, decided on and written back with
the revision that was read (compare-and-set): if another transaction changed one in between, its write is a no-op and
the caller decides again.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from services.collector.domain.answers import StoredAnswer
from shared.contracts import identity
from shared.contracts.answers import Answer
from shared.messaging.records import Record
from shared.messaging.repository.outbox import pack_headers
from shared.persistence.columns import Columns
from shared.persistence.statement import Statement
from shared.persistence.stored import read_stored


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAnswer:
    """An answer that is probably new, with its event.

    It is added only if nobody was erased under ``customer_digest`` or ``order_digest``, there is no answer under
    ``rival_id``, no other answer has the key ``claim``, and the survey ``send_id`` is still of ``customer_id``.
    """

    answer_id: str
    customer_id: str | None
    event: Record
    send_id: str | None = None
    request_digest: bytes | None = None
    customer_digest: bytes | None = None
    order_digest: bytes | None = None
    rival_id: str | None = None
    claim: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerChange:
    """``answer`` replaces revision ``before``, or is added if that is 0. ``request_digest`` is stored with a new one,
    and stays."""

    answer: Answer
    before: int = 0
    request_digest: bytes | None = None

    @property
    def stored(self) -> StoredAnswer:
        """What will be stored."""
        return StoredAnswer(self.answer.revision, self.answer, self.request_digest)


# The function is in migrations/versions/0012_add_answers.py.
_ADD = Statement(
    """
    SELECT add_answers(
        :topic, :answer_ids, :customer_ids, :bodies, :request_digests, CAST(:derived_keys AS uuid[]), :claims,
        :customer_digests, :order_digests, :rival_ids, CAST(:rival_keys AS uuid[]), :send_ids, :headers
    )
    """
)


async def add(connection: AsyncConnection, topic: str, new: Sequence[NewAnswer]) -> set[str]:
    """Adds those that are plainly new, with their events of ``topic``, and commits if no transaction has begun; returns
    their ids. Each has an id and a key of its own. Waits for nobody who erases or claims a key."""
    derived = [identity.derived_key(answer.answer_id) for answer in new]
    values = {
        "topic": topic,
        "answer_ids": [answer.answer_id for answer in new],
        "customer_ids": [answer.customer_id for answer in new],
        "bodies": [(answer.event.value or b"").decode() for answer in new],
        "request_digests": [answer.request_digest for answer in new],
        "derived_keys": derived,
        "claims": [answer.claim for answer in new],
        "customer_digests": [answer.customer_digest for answer in new],
        "order_digests": [answer.order_digest for answer in new],
        # Of an id that is no UUID, the index on derived keys takes care; it cannot compare them with ids.
        "rival_ids": [key or answer.rival_id for answer, key in zip(new, derived, strict=True)],
        "rival_keys": [None if key else answer.claim for answer, key in zip(new, derived, strict=True)],
        "send_ids": [answer.send_id for answer in new],
        "headers": [pack_headers(answer.event.headers) for answer in new],
    }
    return {row[0] for row in await _ADD.rows(connection, values)}


_READ = """
    SELECT answer_id, revision, body::text AS body, request_digest FROM answers
    WHERE answer_id = ANY(CAST(:answer_ids AS text[]))
    ORDER BY answer_id
    FOR NO KEY UPDATE
"""
_READ_WAITING = Statement(_READ)
_READ_FREE = Statement(_READ + " SKIP LOCKED")


async def read(connection: AsyncConnection, answer_ids: Collection[str], *, wait: bool) -> dict[str, StoredAnswer]:
    """The answers that there are, locked; without ``wait``, only those that nobody else has locked."""
    statement = _READ_WAITING if wait else _READ_FREE
    rows = await statement.rows(connection, {"answer_ids": sorted(answer_ids)})
    return {row.answer_id: stored_answer(row.revision, row.body, row.request_digest) for row in rows}


_KNOWN = Statement("SELECT answer_id FROM answers WHERE answer_id = ANY(CAST(:answer_ids AS text[]))")


async def known(connection: AsyncConnection, answer_ids: Collection[str]) -> set[str]:
    """Those of the ids that an answer has, whoever has locked it."""
    return {row.answer_id for row in await _KNOWN.rows(connection, {"answer_ids": list(answer_ids)})}


_GIVEN = Columns(
    answer_id="text",
    revision="integer",
    customer_id="text",
    body="jsonb",
    request_digest="bytea",
    derived_key="uuid",
    before="integer",
)
_PUT = Statement(
    f"""
    WITH given AS MATERIALIZED (SELECT * FROM {_GIVEN.given}),
    added AS (
        INSERT INTO answers (answer_id, revision, customer_id, body, request_digest, derived_key)
        SELECT answer_id, revision, customer_id, body::jsonb, request_digest, derived_key
        FROM given
        WHERE before = 0 AND (SELECT true FROM answers WHERE answers.answer_id = given.answer_id) IS NULL
        ORDER BY answer_id
        ON CONFLICT DO NOTHING
        RETURNING answer_id
    ),
    changed AS (
        UPDATE answers SET revision = given.revision, customer_id = given.customer_id, body = given.body::jsonb
        FROM given
        WHERE given.before > 0 AND answers.answer_id = given.answer_id AND answers.revision = given.before
            AND answers.body IS NOT NULL
        RETURNING answers.answer_id
    )
    SELECT answer_id FROM added UNION ALL SELECT answer_id FROM changed
    """  # noqa: S608  # composed of column names, never values
)


async def put(connection: AsyncConnection, changes: Sequence[AnswerChange]) -> set[str]:
    """Writes the answers; returns the ids of those whose predecessor was still the latest revision, and not erased."""
    rows: list[Mapping[str, object]] = [
        {
            "answer_id": change.answer.answer_id,
            "revision": change.answer.revision,
            "customer_id": change.answer.customer_id,
            "body": change.answer.model_dump_json(exclude_none=True),
            "request_digest": change.request_digest,
            "derived_key": identity.derived_key(change.answer.answer_id),
            "before": change.before,
        }
        for change in changes
    ]
    return {row.answer_id for row in await _PUT.rows(connection, _GIVEN.parameters(rows))}


_WAIT_AT_MOST = Statement("SELECT set_config('lock_timeout', :milliseconds, true)")


async def wait_at_most(connection: AsyncConnection, *, milliseconds: int) -> None:
    """Until the transaction ends, a statement that waits longer for a lock raises DBAPIError, SQLSTATE 55P03."""
    await _WAIT_AT_MOST.rows(connection, {"milliseconds": str(milliseconds)})


# One transaction at a time may add an answer with one of these keys: the index cannot compare an id with a derived key.
_CLAIM = Statement(
    """
    SELECT pg_advisory_xact_lock(hashtextextended('hearback.collector.answer.' || key, 0))
    FROM unnest(CAST(:keys AS text[])) AS key
    """
)
_TRY_TO_CLAIM = Statement(
    """
    SELECT key FROM unnest(CAST(:keys AS text[])) AS key
    WHERE NOT pg_try_advisory_xact_lock(hashtextextended('hearback.collector.answer.' || key, 0))
    """
)
_TAKEN = Statement(
    """
    SELECT given.answer_id
    FROM unnest(CAST(:answer_ids AS text[]), CAST(:keys AS text[])) AS given (answer_id, key)
    WHERE (SELECT true FROM answers WHERE derived_key = CAST(given.key AS uuid) AND answer_id <> given.answer_id)
        OR (SELECT true FROM answers WHERE answer_id = given.key AND answer_id <> given.answer_id)
    """
)


async def claim_keys(connection: AsyncConnection, keys: Collection[str], *, wait: bool) -> set[str]:
    """Until the transaction ends, nobody else adds an answer with one of these keys; without ``wait``, those that
    somebody else has claimed are returned."""
    statement = _CLAIM if wait else _TRY_TO_CLAIM
    rows = await statement.rows(connection, {"keys": sorted(keys)})
    return set() if wait else {row.key for row in rows}


async def with_taken_key(connection: AsyncConnection, key_of: Mapping[str, str]) -> set[str]:
    """Those of the answer ids, given with their keys, whose key another answer has."""
    rows = await _TAKEN.rows(connection, {"answer_ids": list(key_of), "keys": list(key_of.values())})
    return {row.answer_id for row in rows}


def stored_answer(revision: int, body: str | None, request_digest: bytes | None = None) -> StoredAnswer:
    """A row's revision and body; the body is null once erased."""
    answer = None if body is None else read_stored(Answer, body)
    return StoredAnswer(revision, answer, request_digest)
