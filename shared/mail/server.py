"""The mail server to use, parsed from its URL."""

from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

_DEFAULT_PORTS = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """``start_tls`` None: encrypted if the server offers it. ``tls``: encrypted from the first byte."""

    host: str
    port: int
    tls: bool = False
    start_tls: bool | None = None
    user: str | None = None
    password: str | None = field(default=None, repr=False)


def server_from(url: str) -> Server:
    """The server of a URL such as ``smtp+starttls://user:password@mail.example:587``; user and password URL-encoded.

    Raises ValueError, whose message does not repeat the URL: it may contain a password.
    """
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError as error:
        raise ValueError("the port must be a number from 1 to 65535") from error
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise ValueError(f"must start with {', '.join(f'{scheme}://' for scheme in _DEFAULT_PORTS)} and name a host")
    return Server(
        host=parts.hostname,
        port=port or _DEFAULT_PORTS[parts.scheme],
        tls=parts.scheme == "smtps",
        start_tls=True if parts.scheme == "smtp+starttls" else None,
        user=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
    )
