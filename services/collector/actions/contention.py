"""How often something is read, decided and written again because another request changed it in between."""

ATTEMPTS = 50
"""Each attempt that fails means that another request succeeded, so this is how many may meet on one row."""


class Contended(TimeoutError):
    """Too many requests changed the same thing at the same moment; a retry helps."""

    def __init__(self, subject: str) -> None:
        super().__init__(f"{subject} changed {ATTEMPTS} times while the request was being handled")
