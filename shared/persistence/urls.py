"""PostgreSQL's connection URLs, as managed databases hand them out."""

from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

_EXAMPLE = "postgresql://user:password@host:5432/database"
_SCHEMES = ("postgresql", "postgres", "postgresql+asyncpg")
_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl")
# Parameters of libpq (PostgreSQL documentation, "Parameter Key Words") that asyncpg would send to the server as one of
# its settings, which then refuses the connection. Timeouts and the pool have settings of ours.
_ONLY_OF_LIBPQ = frozenset(
    (
        "channel_binding",
        "client_encoding",
        "connect_timeout",
        "fallback_application_name",
        "gssencmode",
        "keepalives",
        "keepalives_count",
        "keepalives_idle",
        "keepalives_interval",
        "pgbouncer",
        "sslcompression",
        "sslsni",
        "tcp_user_timeout",
    )
)


def driver_url(url: str) -> str:
    """``url`` as asyncpg understands it, with ``sslmode`` and the like. ValueError, without the password, says what is
    wrong with it."""
    try:
        parts = urlsplit(url.strip())
        _ = parts.port
    except ValueError:
        raise ValueError(f"is not a URL, or its port is not a number; write {_EXAMPLE}") from None
    if parts.scheme not in _SCHEMES:
        raise ValueError(f"must start with postgresql://; write {_EXAMPLE}")
    kept = []
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name in _ONLY_OF_LIBPQ:
            continue
        if name == "sslmode" and value not in _SSL_MODES:
            raise ValueError(f"has sslmode={value[:40]!r}; choose from {', '.join(_SSL_MODES)}")
        if name in _FILES and not Path(value).is_file():
            raise ValueError(f"has {name}={value[:200]!r}, which is not a file this process can see")
        kept.append((name, value))
    if len(parts.path) < 2 and not any(name in ("dbname", "database") for name, _ in kept):
        raise ValueError(f"names no database; write {_EXAMPLE}")
    return urlunsplit(("postgresql", parts.netloc, parts.path, urlencode(kept, safe="/"), ""))
