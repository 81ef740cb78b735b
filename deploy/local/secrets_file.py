"""The stack's passwords and keys: generated at the first start, then reused, and readable only by their owner."""

import hashlib
import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from deploy.local.errors import StackError
from shared.processes import SERVICES


@dataclass(frozen=True, slots=True, kw_only=True)
class StackSecrets:
    """`services` are the passwords of the database roles; `signing` signs links; `api_key` has every scope."""

    database_owner: str
    services: dict[str, str]
    signing: str
    api_key: str

    @property
    def api_keys_setting(self) -> str:
        """The value of HEARBACK_API_KEYS: a name, the key's SHA-256 hash and its scopes."""
        return f"local:{hashlib.sha256(self.api_key.encode()).hexdigest()}:*"


def load_or_create(file: Path) -> StackSecrets:
    """Raises StackError for a damaged file."""
    if file.exists():
        try:
            return StackSecrets(**json.loads(file.read_text()))
        except (ValueError, TypeError) as error:
            raise StackError(f"{file} is damaged ({error}): `make clean` starts over, without the data.") from error
    created = StackSecrets(
        database_owner=secrets.token_urlsafe(24),
        services=generate_passwords(),
        signing=secrets.token_urlsafe(48),
        api_key=f"hb_{secrets.token_urlsafe(32)}",
    )
    write_private(file, json.dumps(asdict(created), indent=1))
    return created


def generate_passwords() -> dict[str, str]:
    """Of the database roles, by service."""
    return {service: secrets.token_urlsafe(24) for service in SERVICES}


def write_private(file: Path, text: str) -> None:
    """Replaces `file` atomically; only its owner can read it at any time."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(file.name + ".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as output:
        output.write(text)
        output.flush()
        os.fsync(output.fileno())
    draft.replace(file)
