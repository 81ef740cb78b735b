"""What is served over HTTP: scores, cases, and the mail that arrived."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx

from tools.audit.checks.scores import ALL_CAMPAIGNS
from tools.audit.facts import CaseState, ScoreKey
from tools.audit.from_topics import case_state

AT_ONCE = 8


async def now(client: httpx.AsyncClient, url: str) -> datetime:
    """What time it is for the services, which may run on another clock than ours. Raises httpx.HTTPError."""
    return datetime.fromisoformat((await _get(client, f"{url}/v1/nps", {}))["at"])


async def scores(client: httpx.AsyncClient, url: str, keys: Iterable[ScoreKey]) -> dict[ScoreKey, dict[str, Any]]:
    """GET /v1/nps for each key. Raises httpx.HTTPError."""
    few_at_once = asyncio.Semaphore(AT_ONCE)

    async def one(key: ScoreKey) -> tuple[ScoreKey, dict[str, Any]]:
        campaign, window, segment = key
        asked = {"window": window, "segment": segment}
        if campaign != ALL_CAMPAIGNS:
            asked["campaign"] = campaign
        async with few_at_once:
            return key, await _get(client, f"{url}/v1/nps", asked)

    return dict(await asyncio.gather(*(one(key) for key in keys)))


async def cases(client: httpx.AsyncClient, url: str) -> dict[str, CaseState]:
    """Every case GET /v1/cases lists. Raises httpx.HTTPError."""
    found: dict[str, CaseState] = {}
    asked: dict[str, str | int] = {"status": "any", "limit": 200}
    while True:
        page = await _get(client, f"{url}/v1/cases", asked)
        for body in page["cases"]:
            state = case_state(body)
            found[state.case_id] = state
        if page["next_cursor"] is None:
            return found
        asked["cursor"] = page["next_cursor"]


@dataclass(frozen=True, slots=True)
class Mails:
    """The send id of every survey in a mailbox; ``all_kept`` when it still has the first mail that ever came."""

    send_ids: list[str]
    all_kept: bool


async def survey_mails(client: httpx.AsyncClient, url: str) -> Mails:
    """The surveys among the mail that arrived, by their Message-IDs; other mail is passed over."""
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
    return Mails(found, all_kept=first in (None, 1))


async def _get(client: httpx.AsyncClient, url: str, asked: dict[str, Any]) -> dict[str, Any]:
    """Raises httpx.HTTPError, also when what answers is something else."""
    response = await client.get(url, params=asked)
    response.raise_for_status()
    try:
        body = response.json()
    except ValueError as error:
        raise httpx.DecodingError(f"{url} answered with something that is not JSON") from error
    if not isinstance(body, dict):
        raise httpx.DecodingError(f"{url} answered with something that is no JSON object")
    return body
