"""HTTP clients for running services."""

import httpx


def http_client(*, key: str | None = None, timeout: float = 20) -> httpx.AsyncClient:
    """Sends ``key`` with every request, if given.

    The services close a connection after 5 idle seconds. A client that keeps it as long may, on a busy machine, send
    its next request just when the connection is being closed.
    """
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return httpx.AsyncClient(headers=headers, timeout=timeout, limits=httpx.Limits(keepalive_expiry=2))
