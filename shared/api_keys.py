"""Who may call the APIs: keys by their SHA-256, and their scopes, as ``HEARBACK_API_KEYS`` has them."""

import hashlib
import hmac
import re
from dataclasses import dataclass

SCOPES = (
    "campaigns:read",
    "campaigns:write",
    "decisions:read",
    "answers:write",
    "customers:erase",
    "scores:read",
    "cases:read",
    "cases:write",
    "routing:write",
)
EVERY_SCOPE = "*"

_ENTRY = re.compile(r"^([A-Za-z0-9._-]{1,60}):([0-9a-f]{64}):([a-z:,*]+)$")


@dataclass(frozen=True, slots=True)
class Caller:
    """The authenticated caller: the key's name and scopes."""

    name: str
    scopes: frozenset[str]

    def may(self, scope: str) -> bool:
        return scope in self.scopes or EVERY_SCOPE in self.scopes


def read_keys(setting: str) -> dict[str, Caller]:
    """SHA-256 in hexadecimal to caller, from ``name:hash:scope,scope;…``. ValueError names an invalid entry."""
    callers: dict[str, Caller] = {}
    for number, entry in enumerate(filter(None, (part.strip() for part in re.split(r"[;\n]", setting))), 1):
        match = _ENTRY.match(entry)
        if match is None:
            raise ValueError(f"entry {number} is not name:SHA-256 in hexadecimal:scope,scope")
        name, digest, listed = match.groups()
        scopes = frozenset(listed.split(","))
        if unknown := scopes.difference(SCOPES, {EVERY_SCOPE}):
            raise ValueError(
                f"entry {number} has the unknown scope {sorted(unknown)[0]!r}; scopes are {', '.join(SCOPES)}"
            )
        callers[digest] = Caller(name, scopes)
    return callers


class Authenticator:
    """Knows the keys, as ``HEARBACK_API_KEYS`` has them."""

    def __init__(self, keys: str) -> None:
        self._callers = read_keys(keys)

    def caller(self, key: str) -> Caller | None:
        """The caller with this key; None if it is unknown."""
        digest = digest_of(key)
        found = None
        for known, caller in self._callers.items():
            if hmac.compare_digest(known, digest):
                found = caller
        return found

    def caller_of(self, key_digest: str) -> Caller | None:
        """The caller whose key has this SHA-256, as a session names it; None if the key was removed."""
        return self._callers.get(key_digest)


def digest_of(key: str) -> str:
    """The SHA-256 of a key, in hexadecimal."""
    return hashlib.sha256(key.encode()).hexdigest()
