"""Asking whether a mail was accepted: what is left to do when the connection broke before the answer came."""

import asyncio
import json
from http.client import HTTPException
from urllib.parse import quote
from urllib.request import Request, urlopen

SECONDS = 5.0
LONGEST_ANSWER = 64 * 1024


class ReceiptsUnavailable(Exception):
    """Nobody answered, or not what was asked; ask again later."""


class Receipts:
    """``url`` answers ``GET ?message_id=`` with ``{"accepted": bool}``; the mailbox of the local stack does, and an
    adapter in front of a provider's log can."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def accepted(self, message_id: str) -> bool:
        """Whether the server has taken a mail with this Message-ID. Raises ReceiptsUnavailable."""
        # Asked only after a crash or a broken connection: a thread does, and saves a library.
        return await asyncio.to_thread(self._ask, message_id)

    def _ask(self, message_id: str) -> bool:
        joint = "&" if "?" in self._url else "?"
        request = Request(f"{self._url}{joint}message_id={quote(message_id, safe='')}")  # noqa: S310 - settings allow http(s) alone
        try:
            with urlopen(request, timeout=SECONDS) as response:  # noqa: S310
                answer = json.loads(response.read(LONGEST_ANSWER))
        except (OSError, HTTPException, ValueError) as error:
            raise ReceiptsUnavailable(type(error).__name__) from error
        if not isinstance(answer, dict) or not isinstance(answer.get("accepted"), bool):
            raise ReceiptsUnavailable("the answer has no accepted: true or false")
        return bool(answer["accepted"])
