"""A scorer without processes: its parts called directly, on a fresh database."""

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest_asyncio
from pydantic import SecretStr
from sqlalchemy import text

from deploy.local.provision import Database
from services.scorer.handlers.answers import Handlers
from services.scorer.loops.publisher import Publisher
from services.scorer.loops.stream import Stream
from services.scorer.queries.scores import Figures
from services.scorer.settings import ScorerSettings
from shared.clock import SteppedClock
from shared.contracts.answers import AMENDED, ERASED, RECORDED, Answer, AnswerErased
from shared.contracts.cloudevents import Message
from shared.contracts.types import Contract
from shared.persistence.migrations import migrate
from shared.runtime import Runtime, open_runtime

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass
class Scorer:
    """``clock`` stands at START until it is stepped."""

    runtime: Runtime[ScorerSettings]
    clock: SteppedClock
    handlers: Handlers
    publisher: Publisher
    figures: Figures
    stream: Stream

    async def take(self, topic: str, *bodies: tuple[str, Contract]) -> None:
        """One batch of one topic, as the consumer loop would hand it over."""
        handler = {
            "surveys.answers": self.handlers.answers,
            "surveys.sends": self.handlers.sends,
            "surveys.deliveries": self.handlers.deliveries,
        }[topic]
        async with self.runtime.transaction() as connection:
            await handler(connection, [message(topic, kind, body) for kind, body in bodies])

    async def publish(self) -> None:
        while await self.publisher.publish():
            pass

    async def query(self, statement: str, **values: Any) -> Sequence[Any]:
        async with self.runtime.engine.connect() as connection:
            return (await connection.execute(text(statement), values)).all()


_offsets = itertools.count()


def message(topic: str, kind: str, body: Contract) -> Message:
    return Message(topic, 0, next(_offsets), None, "id", "/test", kind, START, body, None, None, ())


Event = tuple[str, Contract]


def answer(answer_id: str, score: int, *, revision: int = 1, at: datetime = START, **more: object) -> Event:
    body = Answer.model_validate(
        {
            "answer_id": answer_id,
            "revision": revision,
            "score": score,
            "answered_at": at,
            "received_at": at,
            **more,
        }
    )
    return (RECORDED if revision == 1 else AMENDED), body


def erased(answer_id: str, revision: int) -> Event:
    return ERASED, AnswerErased(answer_id=answer_id, revision=revision, erased_at=START)


StartScorer = Callable[..., Awaitable[Scorer]]


@pytest_asyncio.fixture(loop_scope="session")
async def start_scorer(database: Database, tmp_path: Path) -> AsyncIterator[StartScorer]:
    """Starts scorers on one database; settings by name. They share a clock file."""
    clock_file = tmp_path / "clock"
    clock = SteppedClock.create(clock_file, START)
    opened: list[Any] = []

    async def start(**settings: Any) -> Scorer:
        context = open_runtime(
            "scorer",
            ScorerSettings(
                database_url=SecretStr(database.service_urls["scorer"]),
                secret=SecretStr("x" * 32),
                clock=f"file:{clock_file}",
                **settings,
            ),
        )
        runtime = await context.__aenter__()
        opened.append(context)
        await migrate("scorer", runtime.engine)
        return Scorer(
            runtime,
            clock,
            Handlers(runtime.engine, runtime.settings.zone, runtime.settings.comments_kept),
            Publisher(runtime),
            Figures(runtime),
            Stream(runtime),
        )

    yield start
    for context in reversed(opened):
        await context.__aexit__(None, None, None)


@pytest_asyncio.fixture(loop_scope="session")
async def scorer(start_scorer: StartScorer) -> Scorer:
    return await start_scorer()
