"""Requests that cannot be served just now, because there are too many others."""

ATTEMPTS = 50
"""A failed attempt means that another request succeeded, so this is how many concurrent requests a row can take."""


class Contended(TimeoutError):
    """Others changed the same row too often, or had it locked for too long; a retry helps."""

    def __init__(self, subject: str, what_happened: str) -> None:
        super().__init__(f"{subject} {what_happened} while the request was being handled")


class Overloaded(TimeoutError):
    """More answers arrive than are written; a retry helps.

    ``waiting`` are those that wait as this one would have: for the next batch, or by themselves.
    """

    def __init__(self, waiting: int) -> None:
        super().__init__(f"{waiting:,} answers are waiting to be written; nothing was recorded")
