"""Asks whether an email was accepted: all that can be done once the connection broke before the reply."""

import asyncio
import json
from http.client import HTTPException
from urllib.parse import quote
from urllib.request import Request, urlopen

TIMEOUT_SECONDS = 5.0
MAX_BYTES = 64 * 1024


class ReceiptsUnavailable(Exception):
    """No reply, or an unexpected one; retry later."""


class Receipts:
    """``url`` responds to ``GET ?message_id=`` with ``{"accepted": bool}``; the mailbox of the local stack does, and an
    adapter in front of a provider's log can."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def accepted(self, message_id: str) -> bool:
        """Whether the server has accepted an email with this Message-ID. Raises ReceiptsUnavailable."""
        # Needed only after a crash or a broken connection: a thread is good enough, and saves an HTTP library.
        return await asyncio.to_thread(self._ask, message_id)

    def _ask(self, message_id: str) -> bool:
        joint = "&" if "?" in self._url else "?"
        request = Request(f"{self._url}{joint}message_id={quote(message_id, safe='')}")  # noqa: S310  # the setting accepts only http(s)
        try:
            with urlopen(request, timeout=TIMEOUT_SECONDS) as response:  # noqa: S310  # as above
                receipt = json.loads(response.read(MAX_BYTES))
        except (OSError, HTTPException, ValueError) as error:
            raise ReceiptsUnavailable(type(error).__name__) from error
        if not isinstance(receipt, dict) or not isinstance(receipt.get("accepted"), bool):
            raise ReceiptsUnavailable('the response must be {"accepted": true} or {"accepted": false}')
        return bool(receipt["accepted"])
