"""SQL for answers.

An answer is read, decided on and written back with the revision that was read (compare-and-set): if another request
changed it in between, the write is a no-op and the caller retries.
"""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.collector.domain.answers import StoredAnswer
from shared.contracts.answers import Answer
from shared.persistence.columns import Columns

_READ = text("SELECT revision, body::text AS body FROM answers WHERE answer_id = :answer_id")


async def read(connection: AsyncConnection, answer_id: str) -> StoredAnswer | None:
    row = (await connection.execute(_READ, {"answer_id": answer_id})).first()
    return None if row is None else stored_answer(row.revision, row.body)


_COLUMNS = Columns(answer_id="text", revision="integer", customer_id="text", body="jsonb")
_PUT = text(
    f"""
    INSERT INTO answers ({_COLUMNS.names}) VALUES ({_COLUMNS.one})
    ON CONFLICT (answer_id) DO UPDATE SET {_COLUMNS.updates("excluded", but="answer_id")}
    WHERE answers.revision = excluded.revision - 1 AND answers.body IS NOT NULL
    RETURNING revision
    """  # noqa: S608  # composed of column names, never values
)


async def put(connection: AsyncConnection, answer: Answer) -> bool:
    """Writes the answer; False when its predecessor is no longer the latest revision, or was erased."""
    row = {
        "answer_id": answer.answer_id,
        "revision": answer.revision,
        "customer_id": answer.customer_id,
        "body": answer.model_dump_json(exclude_none=True),
    }
    written = await connection.execute(_PUT, row)
    return written.first() is not None


def stored_answer(revision: int, body: str | None) -> StoredAnswer:
    """A row's revision and body; the body is null once erased."""
    return StoredAnswer(revision, None if body is None else Answer.model_validate_json(body, extra="ignore"))
