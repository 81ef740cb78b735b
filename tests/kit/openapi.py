"""What the OpenAPI document of a service declares."""

import httpx

ALWAYS = {"408", "413", "422", "503"}
"""Any operation may end so."""


async def declared_statuses(client: httpx.AsyncClient) -> dict[str, set[str]]:
    """By operation, such as ``GET /v1/nps``. Fails if an error is declared as anything but a problem (RFC 9457)."""
    paths = (await client.get("/openapi.json")).json()["paths"]
    found = {}
    for path, operations in paths.items():
        for method, operation in operations.items():
            found[f"{method.upper()} {path}"] = set(operation["responses"])
            for status, response in operation["responses"].items():
                if int(status) >= 400:
                    assert list(response["content"]) == ["application/problem+json"], (method, path, status)
    return found
