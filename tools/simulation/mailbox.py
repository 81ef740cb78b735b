"""Reading the mail that arrived: the local mailbox's HTTP API, as a customer's mail program would."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import httpx

PAGE = 500


@dataclass(frozen=True, slots=True)
class Mail:
    """``send_id`` is the part of the Message-ID before the @, which for a survey is the send's id."""

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
        """The links to the landing page, one a score."""
        return tuple(link for link in self.links if "/s/" in link)

    @property
    def answer_url(self) -> str:
        """The landing page without a score chosen. ValueError when this mail asks nothing."""
        if not self.answer_links:
            raise ValueError(f"the mail {self.message_id} has no link to answer by; its links: {self.links[:3]}")
        return self.answer_links[0].partition("?")[0]

    @property
    def unsubscribe_url(self) -> str | None:
        return next((link for link in self.links if "/unsubscribe/" in link), None)


class MailboxReader:
    """Goes through the mailbox from its first mail on, each mail once."""

    def __init__(self, client: httpx.AsyncClient, url: str, *, patience_seconds: float = 120.0) -> None:
        self._client = client
        self._url = url
        self._patience = patience_seconds
        self._last_id = 0

    async def new(self) -> list[Mail]:
        """What arrived since the last call, oldest first.

        Raises httpx.HTTPError when the mailbox does not answer within the patience.
        """
        arrived: list[Mail] = []
        while page := await self._page():
            arrived.extend(page)
            self._last_id = page[-1].id
            if len(page) < PAGE:
                break
        return arrived

    async def _page(self) -> Sequence[Mail]:
        deadline = asyncio.get_running_loop().time() + self._patience
        while True:
            try:
                response = await self._client.get(
                    f"{self._url}/api/messages", params={"after": self._last_id, "limit": PAGE}
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
