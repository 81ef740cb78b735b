"""SQL for answers.

An answer is read, decided on and written back with the revision that was read (compare-and-set): if another request
changed it in between, the write is a no-op and the caller retries.
"""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.collector.domain.answers import StoredAnswer
from shared.contracts.answers import Answer

_READ = text("SELECT revision, body::text AS body FROM answers WHERE answer_id = :answer_id")


async def read(connection: AsyncConnection, answer_id: str) -> StoredAnswer | None:
    row = (await connection.execute(_READ, {"answer_id": answer_id})).first()
    return None if row is None else stored_answer(row.revision, row.body)


_PUT = text(
    """
    INSERT INTO answers (answer_id, revision, customer_id, body)
    VALUES (:answer_id, :revision, :customer_id, CAST(:body AS jsonb))
    ON CONFLICT (answer_id) DO UPDATE
    SET revision = EXCLUDED.revision, customer_id = EXCLUDED.customer_id, body = EXCLUDED.body
    WHERE answers.revision = EXCLUDED.revision - 1 AND answers.body IS NOT NULL
    RETURNING revision
    """
)


async def put(connection: AsyncConnection, answer: Answer) -> bool:
    """Writes the answer; False when its predecessor is no longer the latest revision, or was erased."""
    result = await connection.execute(
        _PUT,
        {
            "answer_id": answer.answer_id,
            "revision": answer.revision,
            "customer_id": answer.customer_id,
            "body": answer.model_dump_json(exclude_none=True),
        },
    )
    return result.first() is not None


def stored_answer(revision: int, body: str | None) -> StoredAnswer:
    """A row's revision and body; the body is null once erased."""
    return StoredAnswer(revision, None if body is None else Answer.model_validate_json(body, extra="ignore"))
