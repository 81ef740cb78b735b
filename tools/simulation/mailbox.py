"""Reads received mail through the local mailbox's HTTP API, as a customer's mail client would."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import httpx

PAGE_SIZE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A received mail; for a survey, the part of the Message-ID before the @ is its ``send_id``."""

    id: int
    message_id: str
    to: str
    subject: str
    links: tuple[str, ...]

    @property
    def send_id(self) -> str:
        return self.message_id.partition("@")[0]

    @property
    def answer_links(self) -> tuple[str, ...]:
        """The links to the survey page, one per score."""
        return tuple(link for link in self.links if "/s/" in link)

    @property
    def answer_url(self) -> str:
        """The survey page without a preselected score. Raises ValueError when the email is not a survey."""
        if not self.answer_links:
            raise ValueError(f"the email {self.message_id} has no survey link; its links: {self.links[:3]}")
        return self.answer_links[0].partition("?")[0]

    @property
    def unsubscribe_url(self) -> str | None:
        return next((link for link in self.links if "/unsubscribe/" in link), None)


class MailboxReader:
    """Reads the mailbox from its first email on, each email once."""

    def __init__(self, client: httpx.AsyncClient, url: str, *, timeout_seconds: float = 120.0) -> None:
        self._client = client
        self._url = url
        self._timeout = timeout_seconds
        self._last_id = 0

    async def new(self) -> list[Mail]:
        """Emails received since the last call, oldest first.

        Raises httpx.HTTPError when the mailbox does not respond within the timeout.
        """
        arrived: list[Mail] = []
        while page := await self._page():
            arrived.extend(page)
            self._last_id = page[-1].id
            if len(page) < PAGE_SIZE:
                break
        return arrived

    async def _page(self) -> Sequence[Mail]:
        deadline = asyncio.get_running_loop().time() + self._timeout
        while True:
            try:
                response = await self._client.get(
                    f"{self._url}/api/messages", params={"after": self._last_id, "limit": PAGE_SIZE}
                )
                response.raise_for_status()
                break
            except httpx.HTTPError:
                if asyncio.get_running_loop().time() > deadline:
                    raise
                await asyncio.sleep(0.3)
        return [
            Mail(
                id=mail["id"],
                message_id=mail["message_id"].strip("<>"),
                to=mail["to"],
                subject=mail["subject"],
                links=tuple(mail["links"]),
            )
            for mail in response.json()["messages"]
        ]
