"""Records that cannot be read or handled become dead letters, with their bytes, origin and reason."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from shared.digests import CustomerDigests
from shared.messaging.letter_records import letter_record
from shared.messaging.records import DeadLetter
from shared.messaging.repository import dead_letters as repository
from shared.messaging.repository import outbox
from shared.messaging.subjects import subjects


async def set_aside(
    connection: AsyncConnection, consumer: str, letters: Sequence[DeadLetter], digests: CustomerDigests
) -> None:
    """Records the letters and publishes them to ``<topic>.<consumer>.dlq``, in the batch's transaction."""
    about = [subjects(letter, digests) for letter in letters]
    await repository.add(connection, consumer, list(zip(letters, about, strict=True)))
    await outbox.put(connection, [letter_record(letter, consumer) for letter in letters])
