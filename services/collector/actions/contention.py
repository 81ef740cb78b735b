"""Retries of a compare-and-set that lost against a concurrent request."""

ATTEMPTS = 50
"""A failed attempt means that another request succeeded, so this is how many concurrent requests a row can take."""


class Contended(TimeoutError):
    """Too many concurrent requests changed the same row; a retry helps."""

    def __init__(self, subject: str) -> None:
        super().__init__(f"{subject} changed {ATTEMPTS} times while the request was being handled")
