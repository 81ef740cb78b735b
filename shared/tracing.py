"""W3C trace context, carried from request to event to event (https://www.w3.org/TR/trace-context/)."""

import random
import re
from contextvars import ContextVar

_PATTERN = re.compile(r"^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$")
_current: ContextVar[str | None] = ContextVar("traceparent", default=None)


# Ids must be unlikely to meet, and are no secret; a system call for each would cost more than all else here.
_ids = random.Random()  # noqa: S311  # seeded from the system's randomness


def current() -> str | None:
    """The ``traceparent`` of the request or message being handled, if any."""
    return _current.get()


def continued(traceparent: str | None) -> str:
    """A new span of the given trace, or the first of a new trace if there is none or it is invalid."""
    match = _PATTERN.match(traceparent) if traceparent else None
    if match is None or match[1] == "0" * 32 or match[2] == "0" * 16:
        return f"00-{_ids.getrandbits(128):032x}-{_ids.getrandbits(64):016x}-01"
    return f"00-{match[1]}-{_ids.getrandbits(64):016x}-{match[3]}"


def enter(traceparent: str | None) -> str:
    """Starts a continued span, makes it this task's current one, and returns it."""
    span = continued(traceparent)
    _current.set(span)
    return span
