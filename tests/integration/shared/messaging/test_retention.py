"""The list of dead letters does not grow for ever."""

from datetime import timedelta

import asyncpg
import pytest
from sqlalchemy import text

from deploy.local.ports import free_port
from deploy.local.provision import Database
from shared.messaging import retention
from shared.messaging.records import DeadLetter
from shared.messaging.repository import dead_letters
from shared.messaging.retention import DeadLetterRetention
from tests.integration.shared.conftest import CONSUMER, Bench
from tests.kit.eventually import eventually
from tests.kit.processes import process
from tests.kit.settings import SECRET

_AGE = text(
    """
    UPDATE dead_letters SET recorded_at = now() - CAST(:age AS interval), state = :state WHERE record_offset = :at
    """
)


async def test_old_letters_go_a_batch_at_a_time(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "_MOST", 2)
    ages = {0: 91, 1: 91, 2: 91, 3: 89}
    async with bench.engine.begin() as connection:
        for consumer in (CONSUMER, "another"):
            letters = [
                DeadLetter(
                    topic="orders", partition=0, offset=offset, key=None, value=None, headers=[], reason="no JSON"
                )
                for offset in ages
            ]
            await dead_letters.add(connection, consumer, [(letter, ()) for letter in letters])
        for offset, days in ages.items():
            state = "put_back" if offset else "set_aside"
            await connection.execute(_AGE, {"age": timedelta(days=days), "state": state, "at": offset})
    loop = DeadLetterRetention(bench.engine, CONSUMER, days=90)
    assert [await loop.step(), await loop.step(), await loop.step()] == [True, False, False]
    async with bench.engine.connect() as connection:
        left = await connection.execute(text("SELECT consumer, record_offset FROM dead_letters ORDER BY 1, 2"))
        assert [tuple(row) for row in left] == [*(("another", offset) for offset in ages), (CONSUMER, 3)]


async def test_every_process_deletes_its_own(kafka: str, database: Database, topic_prefix: str) -> None:
    connection = await asyncpg.connect(database.service_urls["scorer"])
    try:
        await connection.execute(
            "INSERT INTO dead_letters (consumer, topic, partition, record_offset, reason, recorded_at) "
            "VALUES ('scorer', 'surveys.answers', 0, 1, 'no JSON', now() - interval '32 days')"
        )
        environment = {
            "HEARBACK_DATABASE_URL": database.service_urls["scorer"],
            "HEARBACK_KAFKA_BOOTSTRAP_SERVERS": kafka,
            "HEARBACK_TOPIC_PREFIX": topic_prefix,
            "HEARBACK_HTTP_PORT": str(free_port()),
            "HEARBACK_SECRET": SECRET,
            "HEARBACK_DEAD_LETTER_DAYS": "31",
        }

        async def gone() -> bool:
            return not await connection.fetchval("SELECT count(*) FROM dead_letters")

        async with process("services.scorer", environment=environment):
            await eventually(gone, "the old letter to be deleted", within=60)
    finally:
        await connection.close()
