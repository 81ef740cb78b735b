"""What a service has read, for tests without a broker."""

import time
from datetime import UTC, datetime
from typing import Any

from shared.messaging.reading import ReadUntil
from shared.messaging.repository import positions
from shared.runtime import Runtime

_ALWAYS = datetime(9999, 1, 1, tzinfo=UTC)


class EverythingRead:
    """Everything has been read, at any moment."""

    def __init__(self, runtime: Runtime[Any]) -> None:
        self._runtime = runtime

    async def until(self) -> ReadUntil | None:
        return ReadUntil(self._runtime.clock.now(), _ALWAYS, time.monotonic())

    async def note(self, *, waiting: bool) -> None:
        pass


class ReadAsOfNow(EverythingRead):
    """Everything published until the moment of asking has been read; what is stored later may be about later events."""

    async def until(self) -> ReadUntil | None:
        async with self._runtime.engine.connect() as connection:
            known_by = await positions.now(connection)
        return ReadUntil(self._runtime.clock.now(), known_by, time.monotonic())
