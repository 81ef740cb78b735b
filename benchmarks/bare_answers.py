"""The bare side of the collector's benchmark: FastAPI, a small body, one asyncpg INSERT, one uvicorn worker.

``python -m benchmarks.bare_answers DATABASE_URL PORT``; the table ``bare_answers`` must exist.
"""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

TABLE = "CREATE TABLE bare_answers (answer_id text PRIMARY KEY, score integer NOT NULL, body jsonb NOT NULL)"
_INSERT = "INSERT INTO bare_answers (answer_id, score, body) VALUES ($1, $2, $3)"
_CONNECTIONS = 16


class Answer(BaseModel):
    answer_id: str
    score: int
    customer_id: str | None = None
    comment: str | None = None
    segments: dict[str, str | list[str]] | None = None


class Accepted(BaseModel):
    answer_id: str
    revision: int


def application(database_url: str) -> FastAPI:
    pools: list[asyncpg.Pool] = []

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with asyncpg.create_pool(database_url, min_size=_CONNECTIONS, max_size=_CONNECTIONS) as pool:
            pools.append(pool)
            yield

    app = FastAPI(lifespan=lifespan)

    @app.post("/v1/answers", status_code=202)
    async def post_answer(body: Answer) -> Accepted:
        await pools[0].execute(_INSERT, body.answer_id, body.score, body.model_dump_json())
        return Accepted(answer_id=body.answer_id, revision=1)

    return app


if __name__ == "__main__":
    uvicorn.run(
        application(sys.argv[1]), host="127.0.0.1", port=int(sys.argv[2]), log_level="warning", access_log=False
    )
