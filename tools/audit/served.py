"""Fetches what is served over HTTP: scores, cases, and received mail."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx

from shared.contracts.scores import ANY_CAMPAIGN
from tools.audit.facts import CaseState, ScoreKey
from tools.audit.from_topics import case_state

MAX_CONCURRENT_REQUESTS = 8


async def now(client: httpx.AsyncClient, url: str) -> datetime:
    """The services' current time; their clock may be simulated. Raises httpx.HTTPError."""
    return datetime.fromisoformat((await _get(client, f"{url}/v1/nps", {}))["at"])


async def scores(client: httpx.AsyncClient, url: str, keys: Iterable[ScoreKey]) -> dict[ScoreKey, dict[str, Any]]:
    """GET /v1/nps for each key. Raises httpx.HTTPError."""
    limit = asyncio.Semaphore(MAX_CONCURRENT_REQUESTS)

    async def fetch(key: ScoreKey) -> tuple[ScoreKey, dict[str, Any]]:
        campaign, window, segment = key
        query = {"window": window, "segment": segment}
        if campaign != ANY_CAMPAIGN:
            query["campaign"] = campaign
        async with limit:
            return key, await _get(client, f"{url}/v1/nps", query)

    return dict(await asyncio.gather(*(fetch(key) for key in keys)))


async def cases(client: httpx.AsyncClient, url: str) -> dict[str, CaseState]:
    """Every case listed by GET /v1/cases. Raises httpx.HTTPError."""
    found: dict[str, CaseState] = {}
    query: dict[str, str | int] = {"status": "any", "limit": 200}
    while True:
        page = await _get(client, f"{url}/v1/cases", query)
        for body in page["cases"]:
            state = case_state(body)
            found[state.case_id] = state
        if page["next_cursor"] is None:
            return found
        query["cursor"] = page["next_cursor"]


@dataclass(frozen=True, slots=True)
class SurveyMails:
    """The send id of each survey in a mailbox; ``complete`` while the mailbox still has its first email."""

    send_ids: list[str]
    complete: bool


async def survey_mails(client: httpx.AsyncClient, url: str) -> SurveyMails:
    """The surveys among the received mail, identified by Message-ID; other mail is ignored."""
    found: list[str] = []
    first: int | None = None
    after = 0
    while messages := (await _get(client, f"{url}/api/messages", {"after": after, "limit": 1_000}))["messages"]:
        first = messages[0]["id"] if first is None else first
        after = messages[-1]["id"]
        found += [
            message["message_id"].strip("<>").partition("@")[0]
            for message in messages
            if any("/s/" in link for link in message["links"])
        ]
    return SurveyMails(found, complete=first in (None, 1))


async def _get(client: httpx.AsyncClient, url: str, query: dict[str, Any]) -> dict[str, Any]:
    """Raises httpx.HTTPError, also when the response is not a JSON object."""
    response = await client.get(url, params=query)
    response.raise_for_status()
    try:
        body = response.json()
    except ValueError as error:
        raise httpx.DecodingError(f"{url} did not return JSON") from error
    if not isinstance(body, dict):
        raise httpx.DecodingError(f"{url} did not return a JSON object")
    return body
