"""Looking on from outside: what goes over each topic, and what the services say of it."""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import httpx
import orjson
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

WATCHED = (
    "orders",
    "surveys.sends",
    "surveys.deliveries",
    "surveys.answers",
    "nps.scores",
    "followups.detractors",
    "followups.passives",
    "followups.promoters",
    "customers.preferences",
)
ASK_SECONDS = 0.7


@dataclass(slots=True)
class Figures:
    """``seen`` counts records by topic and type; ``score`` is GET /v1/nps, ``regions`` /v1/nps/compare."""

    seen: Counter[tuple[str, str]] = field(default_factory=Counter)
    score: Mapping[str, Any] = field(default_factory=dict)
    regions: list[Mapping[str, Any]] = field(default_factory=list)
    seconds_to_case: deque[float] = field(default_factory=lambda: deque(maxlen=100))

    def count(self, topic: str, *types: str) -> int:
        """Records on a topic, of these types; none named: of all."""
        return sum(
            number for (name, kind), number in self.seen.items() if name == topic and (not types or kind in types)
        )

    @property
    def typical_seconds_to_case(self) -> float | None:
        """From an unhappy answer's acknowledgement to its case on the support team's topic, in real seconds."""
        return median(self.seconds_to_case) if self.seconds_to_case else None


class Watch:
    """Keeps ``figures`` up to date until cancelled. What cannot be reached just now is asked again."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        bootstrap_servers: str,
        prefix: str,
        scorer_url: str,
        given: Mapping[str, float],
    ) -> None:
        self._client = client
        self._bootstrap_servers = bootstrap_servers
        self._prefix = prefix
        self._scorer_url = scorer_url
        self._given = given
        self.figures = Figures()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as together:
            together.create_task(self._read_topics())
            together.create_task(self._ask())

    async def _read_topics(self) -> None:
        positions: dict[TopicPartition, int] = {}
        while True:
            consumer = AIOKafkaConsumer(
                *(self._prefix + name for name in WATCHED),
                bootstrap_servers=self._bootstrap_servers,
                auto_offset_reset="earliest",
                fetch_max_wait_ms=100,
            )
            try:
                await consumer.start()
                for partition, position in positions.items():
                    consumer.seek(partition, position)
                while True:
                    for at, records in (await consumer.getmany(timeout_ms=500)).items():
                        for record in records:
                            self._take(at.topic.removeprefix(self._prefix), record)
                        positions[at] = records[-1].offset + 1
            except (KafkaError, OSError):
                await asyncio.sleep(1)
            finally:
                await consumer.stop()

    def _take(self, topic: str, record: ConsumerRecord) -> None:
        kind = next((value.decode() for name, value in record.headers if name == "ce_type"), "")
        self.figures.seen[topic, kind] += 1
        if topic == "followups.detractors" and kind == "case.opened":
            answer = orjson.loads(record.value).get("answer") or {}
            acknowledged = self._given.get(answer.get("answer_id", ""))
            if acknowledged is not None and answer.get("revision") == 1:
                # A case may be there before the customer's browser knows: that took no time.
                self.figures.seconds_to_case.append(max(0.0, time.monotonic() - acknowledged))

    async def _ask(self) -> None:
        while True:
            try:
                self.figures.score = await self._get("/v1/nps", {"window": "all"})
                compared = await self._get("/v1/nps/compare", {"dimension": "region", "window": "all"})
                self.figures.regions = compared["items"]
            except (httpx.HTTPError, ValueError):
                pass  # It is being restarted, or has no answers yet; the next round tells.
            await asyncio.sleep(ASK_SECONDS)

    async def _get(self, path: str, asked: Mapping[str, str]) -> dict[str, Any]:
        response = await self._client.get(f"{self._scorer_url}{path}", params=dict(asked))
        response.raise_for_status()
        body: dict[str, Any] = response.json()
        return body
