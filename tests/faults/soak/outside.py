"""Reads what somebody outside can: the topics as any consumer, the HTTP APIs as any client, the mailbox, and the
processes' logs. Nothing here imports the product.
"""

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from tests.faults.soak import journal
from tests.faults.soak.evidence import WINDOWS, Evidence, Record

AT_ONCE = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where everything is; ``urls`` by service."""

    kafka: str
    urls: Mapping[str, str]
    mailbox_url: str
    api_key: str
    logs: Path


async def gather(
    path: Path, addresses: Addresses, segments: Iterable[str], campaigns: Iterable[str], words: Iterable[str]
) -> Evidence:
    """``segments`` and ``campaigns`` are those whose scores to ask for, besides everybody and all of them; ``words``
    are those that no log may have. Raises httpx.HTTPError and KafkaError."""
    entries = list(journal.read(path))
    customers = {entry["customer_id"] for entry in entries if entry["kind"] == "event"}
    headers = {"Authorization": f"Bearer {addresses.api_key}"}
    async with httpx.AsyncClient(headers=headers, timeout=30) as client:
        return Evidence(
            entries=entries,
            records=await read_topics(addresses.kafka),
            mails=await _mails(client, addresses.mailbox_url),
            scores=await _scores(client, addresses.urls["scorer"], ["", *segments], ["", *campaigns]),
            cases=await _pages(client, f"{addresses.urls['alerter']}/v1/cases", "cases", {"status": "any"}),
            decisions=await _decisions(client, addresses.urls["dispatcher"], customers),
            leaks=await asyncio.to_thread(leaks, addresses.logs, list(words)),
        )


async def read_topics(bootstrap_servers: str) -> dict[str, list[Record]]:
    """Every topic from its first record to its present end."""
    lister = AIOKafkaConsumer(bootstrap_servers=bootstrap_servers, group_id=None)
    await lister.start()
    try:
        topics = sorted(name for name in await lister.topics() if not name.startswith("__"))
    finally:
        await lister.stop()
    found: dict[str, list[Record]] = {topic: [] for topic in topics}
    consumer = AIOKafkaConsumer(
        *topics, bootstrap_servers=bootstrap_servers, group_id=None, enable_auto_commit=False,
        auto_offset_reset="earliest", isolation_level="read_committed", max_partition_fetch_bytes=8 * 1024 * 1024,
        fetch_max_wait_ms=50,
    )  # fmt: skip
    await consumer.start()
    try:
        ends = await consumer.end_offsets(list(consumer.assignment()))
        unread = {at for at, end in ends.items() if end > 0}
        while unread:
            for at, records in (await next_records(consumer, unread)).items():
                found[at.topic] += [_record(record) for record in records]
            unread -= {at for at in unread if await consumer.position(at) >= ends[at]}
        return found
    finally:
        await consumer.stop()


async def next_records(
    consumer: AIOKafkaConsumer, partitions: Iterable[TopicPartition]
) -> dict[TopicPartition, list[ConsumerRecord]]:
    """What can be read next, if anything comes within a second. The client cannot unpack a header whose name is not
    UTF-8, and loses what it had read with it: then one record of each partition is read, and such a record, alone in
    its batch, is passed over."""
    before = {at: await consumer.position(at) for at in partitions}
    try:
        return dict(await consumer.getmany(*before, timeout_ms=1_000, max_records=5_000))
    except UnicodeDecodeError:
        found: dict[TopicPartition, list[ConsumerRecord]] = {}
        for at, position in before.items():
            consumer.seek(at, position)
        for at, position in before.items():
            try:
                found |= await consumer.getmany(at, timeout_ms=200, max_records=1)
            except UnicodeDecodeError:
                consumer.seek(at, position + 1)
        return found


def _record(record: ConsumerRecord) -> Record:
    headers = dict(record.headers)
    try:
        body = json.loads(record.value or b"")
    except ValueError:
        body = {}
    return Record(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        key=record.key,
        value=record.value,
        headers=tuple(record.headers),
        type=(headers.get("ce_type") or b"").decode("utf-8", "replace"),
        id=(headers.get("ce_id") or b"").decode("utf-8", "replace"),
        body=body if isinstance(body, dict) else {},
    )


async def _mails(client: httpx.AsyncClient, url: str) -> list[str]:
    found: list[str] = []
    last = 0
    while page := (await _get(client, f"{url}/api/messages", {"after": last, "limit": 1_000}))["messages"]:
        last = page[-1]["id"]
        found += [
            mail["message_id"].strip("<>").partition("@")[0]
            for mail in page
            if any("/s/" in link for link in mail["links"])
        ]
    return found


async def _scores(
    client: httpx.AsyncClient, url: str, segments: Sequence[str], campaigns: Sequence[str]
) -> dict[tuple[str, str, str], Mapping[str, Any]]:
    keys = [(window, segment, campaign) for window in WINDOWS for segment in segments for campaign in campaigns]
    limit = asyncio.Semaphore(AT_ONCE)

    async def fetch(key: tuple[str, str, str]) -> dict[str, Any]:
        window, segment, campaign = key
        query = {"window": window}
        query |= {"segment": segment} if segment else {}
        query |= {"campaign": campaign} if campaign else {}
        async with limit:
            return dict(await _get(client, f"{url}/v1/nps", query))

    return dict(zip(keys, await asyncio.gather(*map(fetch, keys)), strict=True))


async def _decisions(
    client: httpx.AsyncClient, url: str, customers: Iterable[str]
) -> dict[str, Sequence[Mapping[str, Any]]]:
    names = sorted(customers)
    limit = asyncio.Semaphore(AT_ONCE)

    async def fetch(name: str) -> Sequence[Mapping[str, Any]]:
        async with limit:
            return await _pages(client, f"{url}/v1/customers/{name}/decisions", "decisions", {})

    return dict(zip(names, await asyncio.gather(*map(fetch, names)), strict=True))


async def _pages(client: httpx.AsyncClient, url: str, name: str, query: Mapping[str, str]) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    cursor: str | None = None
    while True:
        page = await _get(client, url, {**query, "limit": 200, **({} if cursor is None else {"cursor": cursor})})
        found += page[name]
        cursor = page["next_cursor"]
        if cursor is None:
            return found


async def _get(client: httpx.AsyncClient, url: str, query: Mapping[str, str | int]) -> Any:
    response = await client.get(url, params=dict(query))
    response.raise_for_status()
    return response.json()


def leaks(folder: Path, words: Sequence[str]) -> dict[str, int]:
    """How many lines of which log have one of the words."""
    found: dict[str, int] = {}
    for log in sorted(folder.iterdir()):
        if log.name.partition(".")[0] in ("kafka", "postgresql", "mailbox"):
            continue  # not the product's
        with log.open(encoding="utf-8", errors="replace") as lines:
            found[log.name] = sum(any(word in line for word in words) for line in lines)
    return found
