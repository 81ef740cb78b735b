"""HTTP clients: of running services, and of an application in the test's process."""

from typing import Any

import httpx
from starlette.types import ASGIApp


def bearer(key: str) -> dict[str, str]:
    """The header that an API reads a key from."""
    return {"Authorization": f"Bearer {key}"}


def http_client(*, key: str | None = None, timeout: float = 20) -> httpx.AsyncClient:
    """Sends ``key`` with every request, if given.

    The services close a connection after 5 idle seconds. A client that keeps it as long may, on a busy machine, send
    its next request just when the connection is being closed.
    """
    headers = bearer(key) if key else {}
    return httpx.AsyncClient(headers=headers, timeout=timeout, limits=httpx.Limits(keepalive_expiry=2))


def client_of(
    app: ASGIApp,
    *,
    key: str | None = None,
    origin: str | None = "http://test",
    raise_app_exceptions: bool = True,
    **options: Any,
) -> httpx.AsyncClient:
    """A client of ``app``, without a network; it sends ``key``, if given, and ``options`` are those of httpx.

    ``origin`` is what a browser says of the page whose form it sends.
    """
    transport = httpx.ASGITransport(app, raise_app_exceptions=raise_app_exceptions)
    headers = (bearer(key) if key else {}) | ({"Origin": origin} if origin else {})
    return httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers, **options)
