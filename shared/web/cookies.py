"""The cookies of staff's sessions: signed, with an id of their own, valid for twelve hours."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from itsdangerous import BadSignature, URLSafeTimedSerializer

SESSION_SECONDS = 12 * 3_600


@dataclass(frozen=True, slots=True)
class Session:
    """What a valid cookie says. ``key_digest`` is the SHA-256 of the key in hexadecimal; ``expires_at`` is in UTC."""

    session_id: str
    key_digest: str
    expires_at: datetime


class Cookies:
    """Signs and reads the cookies. The first of ``secrets`` signs; a cookie of any of them is valid."""

    def __init__(self, secrets: Sequence[str]) -> None:
        # itsdangerous signs with the last one.
        self._signer = URLSafeTimedSerializer(list(reversed(secrets)), salt="hearback.session")

    def begin(self, key_digest: str) -> str:
        """The cookie of a new session."""
        return self._signer.dumps([str(uuid4()), key_digest])

    def read(self, cookie: str) -> Session | None:
        """None when it is forged or expired, or of a release whose sessions had no id."""
        try:
            said, signed_at = self._signer.loads(cookie, max_age=SESSION_SECONDS, return_timestamp=True)
        except BadSignature:
            return None
        if not isinstance(said, list) or len(said) != 2:
            return None
        session_id, key_digest = said
        return Session(session_id, key_digest, signed_at.astimezone(UTC) + timedelta(seconds=SESSION_SECONDS))
