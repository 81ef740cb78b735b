"""What an erasure covers. A customer may come back: only what happened up to it is gone."""

from datetime import datetime


def is_erased(at: datetime | None, *, erased_at: datetime | None) -> bool:
    """Whether what happened ``at`` that time must not be kept; None is unknown, or for ``erased_at`` no erasure."""
    return at is not None and erased_at is not None and at <= erased_at
