"""Follows a survey's links, as a customer with a browser or as a machine that opens every link."""

import asyncio
from dataclasses import dataclass
from typing import Any

import httpx

_RETRY_STATUSES = {500, 502, 503, 504, 429}


class NotAcknowledged(Exception):
    """The collector did not accept what a customer sent."""


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """The answer and revision the collector has acknowledged."""

    answer_id: str
    revision: int


class Visitor:
    """Retries while the collector is restarting or does not know the survey yet."""

    def __init__(self, client: httpx.AsyncClient, *, timeout_seconds: float = 120.0) -> None:
        self._client = client
        self._timeout = timeout_seconds

    async def view(self, url: str) -> int:
        """Opens a page and does nothing else; returns the status code."""
        return (await self._with_retries("GET", url)).status_code

    async def answer(self, answer_url: str, score: int, *, comment: str | None = None) -> Acknowledgement:
        """Confirms a score on the survey page, with an optional comment. Raises NotAcknowledged."""
        sent: dict[str, Any] = {"score": score}
        if comment:
            sent["comment"] = comment
        response = await self._with_retries("POST", answer_url, json=sent)
        if response.status_code not in (200, 202):
            raise NotAcknowledged(f"POST to the survey page returned {response.status_code}: {response.text[:200]}")
        body = response.json()
        return Acknowledgement(body["answer_id"], body["revision"])

    async def unsubscribe(self, unsubscribe_url: str) -> None:
        """One-click unsubscribe, as mail clients do it (RFC 8058). Raises NotAcknowledged."""
        response = await self._with_retries(
            "POST", unsubscribe_url, data={"List-Unsubscribe": "One-Click"}, follow_redirects=True
        )
        if response.status_code >= 400:
            raise NotAcknowledged(f"unsubscribing returned {response.status_code}: {response.text[:200]}")

    async def _with_retries(self, method: str, url: str, **request: Any) -> httpx.Response:
        deadline = asyncio.get_running_loop().time() + self._timeout
        wait = 0.05
        while True:
            try:
                response = await self._client.request(method, url, headers={"Accept": "application/json"}, **request)
                if response.status_code not in _RETRY_STATUSES:
                    return response
                trouble = f"status {response.status_code}"
            except httpx.TransportError as error:
                trouble = type(error).__name__
            if asyncio.get_running_loop().time() > deadline:
                raise NotAcknowledged(f"{method} was retried for {self._timeout:.0f} s; last error: {trouble}")
            await asyncio.sleep(wait)
            wait = min(1.0, wait * 1.5)
