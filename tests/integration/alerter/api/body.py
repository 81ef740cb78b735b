"""The body of an API response."""

from typing import Any

import httpx


async def body(response: httpx.Response, status: int = 200) -> Any:
    """The JSON of a response with this status; from 400 on, problem details."""
    assert response.status_code == status, response.text
    if status >= 400:
        assert response.headers["content-type"] == "application/problem+json"
    return response.json()
