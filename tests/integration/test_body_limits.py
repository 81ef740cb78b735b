"""Every process refuses a body that is too large, however it is sent, and before it has read it."""

from typing import Any

import pytest

from shared.web.app import MAX_BODY_BYTES
from tests.kit.wired import BUILDERS, built

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
PART = b"x" * 16_384


async def refusal(app: Any, path: str, kind: str, *, announced: bool) -> tuple[int, int]:
    """The status of a POST with an endless body, and how many bytes of it were read; its length may be announced."""
    headers = [(b"host", b"test"), (b"content-type", kind.encode())]
    if announced:
        headers.append((b"content-length", str(MAX_BODY_BYTES + 1).encode()))
    read, statuses = 0, []

    async def receive() -> dict[str, Any]:
        nonlocal read
        read += len(PART)
        assert read < 10 * MAX_BODY_BYTES, "it would be read for ever"
        return {"type": "http.request", "body": PART, "more_body": True}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "http", "method": "POST",
        "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "", "headers": headers,
        "client": ("127.0.0.1", 1), "server": ("test", 80),
    }  # fmt: skip
    await app(scope, receive, send)
    return statuses[0], read


@pytest.mark.parametrize("kind", [FORM, JSON])
@pytest.mark.parametrize("process", BUILDERS)
async def test_a_body_that_is_announced_as_too_large_is_not_read(process: str, kind: str) -> None:
    async with built(process) as (service, _):
        for path in ("/sign-in", "/v1/anything"):
            assert await refusal(service.app, path, kind, announced=True) == (413, 0)


@pytest.mark.parametrize(
    ("process", "path", "kind"),
    [
        ("dispatcher", "/v1/campaigns/x/dry-run", JSON),
        ("collector", "/v1/answers", JSON),
        ("scorer", "/sign-in", FORM),
        ("alerter", "/sign-in", FORM),
        ("alerter", "/cases/x/note", FORM),
        ("alerter", "/v1/cases/x/note", JSON),
    ],
)
async def test_a_body_that_turns_out_too_large_is_not_read_to_its_end(process: str, path: str, kind: str) -> None:
    """The courier has no operation that reads a body."""
    async with built(process) as (service, _):
        status, read = await refusal(service.app, path, kind, announced=False)
    assert status == 413
    assert read <= MAX_BODY_BYTES + len(PART)
