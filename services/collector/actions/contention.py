"""Requests that cannot be served just now, because there are too many others."""

ATTEMPTS = 50
"""A failed attempt means that another request succeeded, so this is how many concurrent requests a row can take."""


class Contended(TimeoutError):
    """Too many concurrent requests changed the same row; a retry helps."""

    def __init__(self, subject: str) -> None:
        super().__init__(f"{subject} changed {ATTEMPTS} times while the request was being handled")


class Overloaded(TimeoutError):
    """More answers arrive than are written; a retry helps."""

    def __init__(self, waiting: int) -> None:
        super().__init__(f"{waiting:,} answers are waiting to be written; nothing was recorded")
