"""SQL for customers' preferences. The write names the revision that was read, as with answers (compare-and-set)."""

from collections.abc import Mapping, Sequence

from pydantic import TypeAdapter
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.collector.domain.preferences import Preferences
from shared.contracts.preferences import ChannelPreference
from shared.persistence.columns import Columns
from shared.persistence.stored import read_stored

_CHANNELS = TypeAdapter(list[ChannelPreference])

_READ = text(
    """
    SELECT customer_id, revision, channels::text AS channels FROM preferences
    WHERE customer_id = ANY(CAST(:customer_ids AS text[]))
    """
)


async def read(connection: AsyncConnection, customer_ids: Sequence[str]) -> dict[str, Preferences]:
    """The preferences of those customers who have any."""
    rows = await connection.execute(_READ, {"customer_ids": customer_ids})
    return {
        row.customer_id: Preferences(row.revision, read_stored(list[ChannelPreference], row.channels)) for row in rows
    }


_COLUMNS = Columns(customer_id="text", revision="integer", channels="jsonb")
_PUT = text(
    f"""
    INSERT INTO preferences ({_COLUMNS.names}) SELECT {_COLUMNS.values} FROM {_COLUMNS.given}
    ON CONFLICT (customer_id) DO UPDATE SET revision = EXCLUDED.revision, channels = EXCLUDED.channels
    WHERE preferences.revision = EXCLUDED.revision - 1
    RETURNING customer_id
    """  # noqa: S608  # composed of column names, never values
)


async def put(connection: AsyncConnection, preferences: Mapping[str, Preferences]) -> set[str]:
    """Writes every channel's state of each customer; returns the customers written, without those whose preceding
    revision is no longer the latest."""
    rows = [
        {
            "customer_id": customer_id,
            "revision": preferences[customer_id].revision,
            "channels": _CHANNELS.dump_json(preferences[customer_id].channels).decode(),
        }
        for customer_id in sorted(preferences)
    ]
    written = await connection.execute(_PUT, _COLUMNS.parameters(rows))
    return set(written.scalars())
