"""The suppression list, by digest of a mailbox or a customer id."""

from collections.abc import Collection, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from services.dispatcher.domain.suppressions import Suppression
from shared.contracts.preferences import ChannelState
from shared.persistence.columns import Columns
from shared.persistence.statement import Statement

_ROW = Columns(digest="text", channel="text", state="text", changed_at="timestamptz")
# A row's rank: a complaint, then the last word, and of two at the same time the one that forbids.
_PUT = Statement(
    f"""
    INSERT INTO suppressions AS known ({_ROW.names})
    SELECT DISTINCT ON (digest, channel) {_ROW.values} FROM {_ROW.given}
    ORDER BY digest, channel, state = 'complained' DESC, changed_at DESC, state <> 'allowed' DESC
    ON CONFLICT (digest, channel) DO UPDATE SET state = excluded.state, changed_at = excluded.changed_at
    WHERE (excluded.state = 'complained', excluded.changed_at, excluded.state <> 'allowed')
        > (known.state = 'complained', known.changed_at, known.state <> 'allowed')
    """  # noqa: S608  # composed of column names, never values
)
_READ = Statement(
    """
    SELECT digest, channel, state FROM suppressions
    WHERE digest = ANY(CAST(:digests AS text[])) AND state <> 'allowed'
    """
)


async def put(connection: AsyncConnection, suppressions: Sequence[Suppression]) -> None:
    """Writes what was said, unless something that outranks it is known."""
    if suppressions:
        await _PUT.changes(connection, _ROW.attributes(suppressions))


async def read(connection: AsyncConnection, digests: Collection[str]) -> dict[str, dict[str, ChannelState]]:
    """The states that forbid writing, by digest and channel."""
    found: dict[str, dict[str, ChannelState]] = {}
    for row in await _READ.rows(connection, {"digests": sorted(digests)}):
        found.setdefault(row.digest, {})[row.channel] = row.state
    return found
