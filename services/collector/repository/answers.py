"""SQL for answers.

An answer is read, decided on and written back with the revision that was read (compare-and-set): if another request
changed it in between, the write is a no-op and the caller retries.
"""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.collector.domain.answers import StoredAnswer
from shared.contracts import identity
from shared.contracts.answers import Answer
from shared.persistence.columns import Columns
from shared.persistence.stored import read_stored

_READ = text("SELECT revision, body::text AS body, request_digest FROM answers WHERE answer_id = :answer_id")


async def read(connection: AsyncConnection, answer_id: str) -> StoredAnswer | None:
    row = (await connection.execute(_READ, {"answer_id": answer_id})).first()
    return None if row is None else stored_answer(row.revision, row.body, row.request_digest)


_COLUMNS = Columns(
    answer_id="text",
    revision="integer",
    customer_id="text",
    body="jsonb",
    request_digest="bytea",
    derived_key="uuid",
)
_PUT = text(
    f"""
    INSERT INTO answers ({_COLUMNS.names}) VALUES ({_COLUMNS.one})
    ON CONFLICT (answer_id) DO UPDATE
    SET revision = excluded.revision, customer_id = excluded.customer_id, body = excluded.body
    WHERE answers.revision = excluded.revision - 1 AND answers.body IS NOT NULL
    RETURNING revision
    """  # noqa: S608  # composed of column names, never values
)


async def put(connection: AsyncConnection, answer: Answer, *, request_digest: bytes | None = None) -> bool:
    """Writes the answer; False when its predecessor is no longer the latest revision, or was erased.

    ``request_digest`` is stored with the first revision and stays.
    """
    row = {
        "answer_id": answer.answer_id,
        "revision": answer.revision,
        "customer_id": answer.customer_id,
        "body": answer.model_dump_json(exclude_none=True),
        "request_digest": request_digest,
        "derived_key": identity.derived_key(answer.answer_id),
    }
    written = await connection.execute(_PUT, row)
    return written.first() is not None


# One request at a time may add an answer with this key: the index cannot compare an id with a derived key.
_CLAIM_KEY = text("SELECT pg_advisory_xact_lock(hashtextextended('hearback.collector.answer.' || :key, 0))")
_IS_KEY_TAKEN = text(
    """
    SELECT EXISTS (SELECT FROM answers WHERE derived_key = CAST(CAST(:key AS text) AS uuid) AND answer_id <> :answer_id)
        OR EXISTS (SELECT FROM answers WHERE answer_id = :key AND answer_id <> :answer_id)
    """
)


async def is_key_taken(connection: AsyncConnection, answer_id: str) -> bool:
    """Whether another answer's id has the key of this one; until the transaction ends, no other can be added."""
    key = identity.key_of(answer_id)
    await connection.execute(_CLAIM_KEY, {"key": key})
    return bool((await connection.execute(_IS_KEY_TAKEN, {"key": key, "answer_id": answer_id})).scalar_one())


def stored_answer(revision: int, body: str | None, request_digest: bytes | None = None) -> StoredAnswer:
    """A row's revision and body; the body is null once erased."""
    answer = None if body is None else read_stored(Answer, body)
    return StoredAnswer(revision, answer, request_digest)
