"""Why a connection to PostgreSQL cannot be had, in a sentence that tells what to change and never the password."""

import socket
import ssl
from urllib.parse import parse_qs, unquote, urlsplit

from asyncpg.exceptions import (
    CannotConnectNowError,
    InsufficientPrivilegeError,
    InvalidAuthorizationSpecificationError,
    InvalidCatalogNameError,
    InvalidPasswordError,
    PostgresError,
    TooManyConnectionsError,
)

SETTING = "HEARBACK_DATABASE_URL"
_MOST_OF_A_MESSAGE = 200


class CannotConnect(ConnectionError):
    """The message is a sentence for operators: which server, what it said, which setting to look at."""


def why_not_connected(error: Exception, url: str) -> str:
    """What ``error``, raised by asyncpg while it connected to ``url``, means; without the password.

    Errors of ours and of libraries that it does not know are told by their kind.
    """
    parts = urlsplit(url)
    options = parse_qs(parts.query)
    host, port = parts.hostname or options.get("host", ["localhost"])[0], parts.port or 5432
    server = host if host.startswith("/") else f"{host}:{port}"
    user = unquote(parts.username or "") or options.get("user", ["the default user"])[0]
    database = unquote(parts.path.lstrip("/")) or options.get("dbname", options.get("database", [""]))[0]
    what = _refusal(error, user, database) or _failure(error, host)
    return f"PostgreSQL at {server} {what} ({SETTING})"


def _refusal(error: Exception, user: str, database: str) -> str:
    """What the server itself said."""
    match error:
        case InvalidPasswordError():
            return f"does not accept the password of {user}, or knows no such user"
        case InvalidCatalogNameError():
            return f"has no database {database}"
        case TooManyConnectionsError():
            return "has no connection left: raise its max_connections, or lower HEARBACK_DATABASE_POOL_SIZE"
        case CannotConnectNowError():
            return "is starting or shutting down"
        case InsufficientPrivilegeError():
            return f"does not let {user} use the database {database}"
        case InvalidAuthorizationSpecificationError():
            # Names of a role, a database and a host; there is no password in it.
            return f"does not let {user} in: {str(error)[:_MOST_OF_A_MESSAGE]}"
        case PostgresError():
            return f"refuses the connection: {type(error).__name__}, SQLSTATE {error.sqlstate}"
    return ""


def _failure(error: Exception, host: str) -> str:
    """Why the server was not heard."""
    match error:
        case ssl.SSLCertVerificationError():
            return f"has a certificate that is not trusted: {error.verify_message}; look at sslmode and sslrootcert"
        case ssl.SSLError():
            return f"and this process cannot agree on TLS: {error.reason}; look at sslmode"
        case TimeoutError():
            return "does not respond: the address may be wrong, or a firewall in between"
        case socket.gaierror():
            return f"cannot be found: no host is called {host}"
        case ConnectionRefusedError():
            return "refuses connections: it is not running there, or the address is wrong"
        case FileNotFoundError():
            return "has no socket there: it is not running, or the folder is wrong"
        case ConnectionError() if "SSL upgrade" in str(error):
            return "offers no TLS, which sslmode demands"
        case OSError() if error.errno is None and "Connect call failed" in str(error):
            return "refuses connections: it is not running there, or the address is wrong"
        case OSError():
            return f"cannot be reached: {error.strerror or type(error).__name__}"
    return f"cannot be used: {type(error).__name__}"
