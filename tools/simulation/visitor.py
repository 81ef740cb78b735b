"""Following a survey's links: a customer with a browser, and a machine that opens everything it finds."""

import asyncio
from dataclasses import dataclass
from typing import Any

import httpx

_LATER = {502, 503, 504, 429}


class NotAcknowledged(Exception):
    """The collector did not take what a customer sent."""


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """What the collector promised to count."""

    answer_id: str
    revision: int


class Visitor:
    """Patient: a collector that is being restarted, or does not know the survey yet, is asked again."""

    def __init__(self, client: httpx.AsyncClient, *, patience_seconds: float = 120.0) -> None:
        self._client = client
        self._patience = patience_seconds

    async def look(self, url: str) -> int:
        """Opens a page and does nothing there; returns the status."""
        return (await self._persistently("GET", url)).status_code

    async def answer(self, answer_url: str, score: int, comment: str | None = None) -> Acknowledgement:
        """Confirms a score on the landing page, with a comment or without. Raises NotAcknowledged."""
        sent: dict[str, Any] = {"score": score}
        if comment:
            sent["comment"] = comment
        response = await self._persistently("POST", answer_url, json=sent)
        if response.status_code not in (200, 202):
            raise NotAcknowledged(f"POST to the landing page answered {response.status_code}: {response.text[:200]}")
        body = response.json()
        return Acknowledgement(body["answer_id"], body["revision"])

    async def unsubscribe(self, unsubscribe_url: str) -> None:
        """One click, as mail programs do it (RFC 8058). Raises NotAcknowledged."""
        response = await self._persistently(
            "POST", unsubscribe_url, data={"List-Unsubscribe": "One-Click"}, follow_redirects=True
        )
        if response.status_code >= 400:
            raise NotAcknowledged(f"unsubscribing answered {response.status_code}: {response.text[:200]}")

    async def _persistently(self, method: str, url: str, **request: Any) -> httpx.Response:
        deadline = asyncio.get_running_loop().time() + self._patience
        wait = 0.05
        while True:
            try:
                response = await self._client.request(method, url, headers={"Accept": "application/json"}, **request)
                if response.status_code not in _LATER and response.status_code != 500:
                    return response
                trouble = f"status {response.status_code}"
            except httpx.TransportError as error:
                trouble = type(error).__name__
            if asyncio.get_running_loop().time() > deadline:
                raise NotAcknowledged(f"{method} was tried for {self._patience:.0f} s; the last time: {trouble}")
            await asyncio.sleep(wait)
            wait = min(1.0, wait * 1.5)
