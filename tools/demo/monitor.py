"""Observes the loop from outside: the records on each topic, and the scores served."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import httpx
import orjson
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from shared.contracts import answers, deliveries, followups, orders, preferences, scores, sends
from shared.contracts.topics import QUEUES
from tools.demo.observations import DETRACTORS, Observations

WATCHED_TOPICS = (
    orders.TOPIC,
    sends.TOPIC,
    deliveries.TOPIC,
    answers.TOPIC,
    scores.TOPIC,
    *(followups.topic_of(queue) for queue in QUEUES),
    preferences.TOPIC,
)
POLL_SECONDS = 0.7


class Monitor:
    """Keeps ``observations`` up to date until cancelled, and retries what is unreachable."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        *,
        bootstrap_servers: str,
        prefix: str,
        scorer_url: str,
        acknowledged_at: Mapping[str, float],
    ) -> None:
        self._client = client
        self._bootstrap_servers = bootstrap_servers
        self._prefix = prefix
        self._scorer_url = scorer_url
        self._acknowledged_at = acknowledged_at
        self.observations = Observations()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._read_topics())
            tasks.create_task(self._poll_scores())

    async def _read_topics(self) -> None:
        positions: dict[TopicPartition, int] = {}
        while True:
            consumer = AIOKafkaConsumer(
                *(self._prefix + name for name in WATCHED_TOPICS),
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
                            self._count(at.topic.removeprefix(self._prefix), record)
                        positions[at] = records[-1].offset + 1
            except (KafkaError, OSError):
                await asyncio.sleep(1)
            finally:
                await consumer.stop()

    def _count(self, topic: str, record: ConsumerRecord) -> None:
        kind = next((value.decode() for name, value in record.headers if name == "ce_type"), "")
        self.observations.record_counts[topic, kind] += 1
        if topic == DETRACTORS and kind == followups.OPENED:
            answer = orjson.loads(record.value).get("answer") or {}
            acknowledged = self._acknowledged_at.get(answer.get("answer_id", ""))
            if acknowledged is not None and answer.get("revision") == 1:
                # The case may arrive before the acknowledgement does; that counts as no time.
                self.observations.seconds_to_case.append(max(0.0, time.monotonic() - acknowledged))

    async def _poll_scores(self) -> None:
        while True:
            try:
                self.observations.score = await self._get("/v1/nps", {"window": "all"})
                compared = await self._get("/v1/nps/compare", {"dimension": "region", "window": "all"})
                self.observations.regions = compared["items"]
            except (httpx.HTTPError, ValueError):
                pass  # Restarting, or no answers yet; the next poll tries again.
            await asyncio.sleep(POLL_SECONDS)

    async def _get(self, path: str, query: Mapping[str, str]) -> dict[str, Any]:
        response = await self._client.get(f"{self._scorer_url}{path}", params=dict(query))
        response.raise_for_status()
        body: dict[str, Any] = response.json()
        return body
