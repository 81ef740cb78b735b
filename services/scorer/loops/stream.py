"""Fans published scores out to the live stream's listeners, with one database query for all of them."""

import structlog

from services.scorer.domain.stream import ScoreUpdate
from services.scorer.repository import scores
from services.scorer.settings import ScorerSettings
from shared.persistence.engine import what_failed
from shared.runtime import Runtime
from shared.web.stream import Stream

log = structlog.get_logger()

_ROWS_AT_ONCE = 500


class StreamLoop:
    def __init__(self, runtime: Runtime[ScorerSettings], stream: Stream[ScoreUpdate]) -> None:
        self._runtime = runtime
        self._stream = stream

    async def step(self) -> bool:
        """Fans out the next changes; True when there may be more. Without listeners it reads nothing."""
        after = self._stream.after
        if after is None:
            return False
        furthest = self._stream.furthest
        async with self._runtime.autocommit() as connection:
            found = await scores.changes_after(connection, after, limit=_ROWS_AT_ONCE)
        if furthest > found.newest:
            # The database was restored from a backup: numbers begin again where that ends, and anything may differ.
            self._stream.begin_again(above=found.newest)
            return True
        for change, body in found.changed:
            try:
                update = ScoreUpdate.read(change, body)
            except (ValueError, LookupError, TypeError) as error:
                log.error(
                    "a stored score cannot be read, so it is not streamed", change=change, error=what_failed(error)
                )
                self._stream.pass_over(change)
            else:
                self._stream.offer(update)
        return len(found.changed) == _ROWS_AT_ONCE
