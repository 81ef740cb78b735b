"""HTTP clients of running services."""

import httpx


def http_client(*, key: str | None = None, timeout: float = 20) -> httpx.AsyncClient:
    """Sends ``key`` with every request, if there is one.

    The services close a connection that is idle for 5 s. Where the machine is busy, a client that keeps one as long
    sends its next request into a connection that is just being closed.
    """
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return httpx.AsyncClient(headers=headers, timeout=timeout, limits=httpx.Limits(keepalive_expiry=2))
