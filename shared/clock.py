"""The only source of business time: the real clock, an accelerated one, or one stepped through a file.

Technical waits (poll intervals, retries, leases) use real seconds. This clock decides when a survey is due, when an
answer was given and on which day a window ends.
"""

import mmap
import struct
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from shared.moments import moment_of, stamp_of

_STEP = struct.Struct("<q")


class Clock(Protocol):
    def now(self) -> datetime:
        """The current time, in UTC."""
        ...


class RealClock:
    def now(self) -> datetime:
        return datetime.now(UTC)


class FastClock:
    """Starts at another time and runs ``speed`` times as fast; identical in every process with the same setting."""

    def __init__(self, *, virtual_start: datetime, real_start: datetime, speed: float) -> None:
        self._virtual_start = virtual_start
        self._real_start = real_start.timestamp()
        self.speed = speed

    def now(self) -> datetime:
        return self._virtual_start + timedelta(seconds=(time.time() - self._real_start) * self.speed)


class SteppedClock:
    """Stands still until a test or replay writes a new time into its file: 8 bytes, microseconds since 1970 UTC.

    The file is memory-mapped, so that reading the time needs no system call.
    """

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), _STEP.size)

    def now(self) -> datetime:
        (microseconds,) = _STEP.unpack_from(self._memory)
        return moment_of(microseconds)

    def step_to(self, moment: datetime) -> None:
        """Moves the clock for every process that mapped the file. Raises ValueError for a time in its past."""
        if moment < self.now():
            raise ValueError(f"the clock is at {self.now().isoformat()}; it cannot go back to {moment.isoformat()}")
        _STEP.pack_into(self._memory, 0, stamp_of(moment))

    @classmethod
    def create(cls, path: Path, start: datetime) -> "SteppedClock":
        temporary = path.with_suffix(".new")
        temporary.write_bytes(_STEP.pack(stamp_of(start)))
        temporary.replace(path)
        return cls(path)


def clock_from(setting: str) -> Clock:
    """The clock a setting describes.

    Empty is the real clock; ``2026-01-01T00:00:00Z@2026-11-23T08:00:00Zx86400`` starts at the first time when the
    real time is the second, and runs 86,400 times as fast; ``file:PATH`` is stepped. Raises ValueError otherwise.
    """
    if not setting:
        return RealClock()
    if setting.startswith("file:"):
        path = Path(setting.removeprefix("file:"))
        if not path.exists() or path.stat().st_size < _STEP.size:
            raise ValueError(f"the clock file {path} does not exist or is shorter than {_STEP.size} bytes")
        return SteppedClock(path)
    virtual, at, rest = setting.partition("@")
    real, times, speed = rest.rpartition("x")
    try:
        virtual_start, real_start = datetime.fromisoformat(virtual), datetime.fromisoformat(real)
        rate = float(speed)
    except ValueError as error:
        raise ValueError(f"{setting!r} is not <time>@<real time>x<speed> or file:<path>") from error
    if not at or not times or virtual_start.tzinfo is None or real_start.tzinfo is None or not 0 < rate <= 10_000_000:
        raise ValueError(
            f"{setting!r}: both times must have an offset, and the speed must be above 0 and at most 10,000,000"
        )
    return FastClock(virtual_start=virtual_start.astimezone(UTC), real_start=real_start, speed=rate)


def real_seconds_until(clock: Clock, moment: datetime) -> float:
    """How many real seconds it takes until ``clock`` shows ``moment``; 0 if that has passed or cannot be known."""
    if not isinstance(clock, RealClock | FastClock):
        return 0.0
    speed = clock.speed if isinstance(clock, FastClock) else 1.0
    return max(0.0, (moment - clock.now()).total_seconds() / speed)
