"""Writes the answers of all requests, whichever way they came in, those that arrive together in one transaction.

While one batch is being written the next one gathers; nothing waits for more to come. A batch waits for nobody: what an
erasure or another process has locked, what is refused and what is contended is taken out of it and goes by itself, in a
transaction that may wait, so that one request's trouble is not its neighbours'. What the database rejects is found by
halving the batch.
"""

import asyncio
import secrets
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.collector.actions.answers import Outcome, add, is_probably_new, record
from services.collector.actions.contention import ATTEMPTS, Contended, Overloaded
from services.collector.domain.answer_requests import AnswerRequest, Decided, direct_request, survey_request
from services.collector.domain.answers import AnswerAccepted, AnswerParts, DirectAnswer
from services.collector.repository.campaigns import published_among
from services.collector.settings import CollectorSettings
from shared import metrics, tracing
from shared.persistence.engine import is_fault_of_data, open_engine, what_failed
from shared.persistence.pool import for_requests
from shared.persistence.transaction import begun, driver_of
from shared.runtime import Runtime

log = structlog.get_logger()

Accepted = asyncio.Future[AnswerAccepted]

NAME = "answer writer"
MOST_AT_ONCE = 200
MOST_WAITING = 1_000
"""More are refused, rather than to let everybody wait."""
# Of the pool's connections for requests, so that pages have some, however many answers have to wait.
_MOST_BY_THEMSELVES = 2
_LOCK_MILLISECONDS = 500
"""How long a batch waits for another process that is adding an answer with the same id."""
_ALLOWED_SECONDS = 60
# Another transaction holds what the batch needs: lock_not_available, deadlock_detected, serialization_failure.
_IN_THE_WAY = ("55P03", "40P01", "40001")


@dataclass(frozen=True, slots=True)
class _Waiting:
    request: AnswerRequest
    accepted: Accepted


def _randomness() -> int:
    return secrets.randbits(74)


class AnswerWriter:
    """Answers are written on a connection of its own, so that nothing else keeps them waiting."""

    def __init__(self, runtime: Runtime[CollectorSettings]) -> None:
        self._runtime = runtime
        self._connection = _OwnConnection(
            open_engine(
                runtime.settings.database_url.get_secret_value(),
                name=f"{runtime.name}-answers",
                pool_size=1,
                lock_timeout=str(_LOCK_MILLISECONDS),
            )
        )
        self._waiting: deque[_Waiting] = deque()
        self._worker: asyncio.Task[None] | None = None
        self._by_themselves: set[asyncio.Task[None]] = set()
        self._turns = asyncio.Semaphore(_MOST_BY_THEMSELVES)
        self._campaigns_known: set[str] = set()
        runtime.closing.push_async_callback(self._close)

    def submit_survey(self, send_id: str, given: AnswerParts) -> Accepted:
        """Records or amends the answer to a survey, and is done once that has committed.

        The future raises UnknownSurvey, ErasedSurvey, ClosedSurvey, ScoreMissing, TooManyFurtherAnswers or Contended;
        then nothing was recorded. Raises Overloaded.
        """
        began = self._runtime.clock.now()
        return self._submit(survey_request(send_id, given, began=began, traceparent=tracing.current()))

    def submit_directly(self, body: DirectAnswer, *, caller: str, idempotency_key: str | None) -> Accepted:
        """The same for an answer that the shop's own backend reports; ``caller`` is the name of its API key.

        A request that is repeated with its ``idempotency_key`` changes nothing, even if the answer was amended in
        between. The future raises ErasedAnswer, GivenBeforeErasure, AnswerOfAnother, KeyReused, AmbiguousId,
        UnknownCampaign, TooManyFurtherAnswers or Contended; then nothing was recorded. Raises Overloaded.
        """
        request = direct_request(
            body,
            caller=caller,
            idempotency_key=idempotency_key,
            began=self._runtime.clock.now(),
            randomness=_randomness,
            traceparent=tracing.current(),
        )
        return self._submit(request)

    def _submit(self, request: AnswerRequest) -> Accepted:
        waiting = len(self._waiting) + len(self._by_themselves)
        if waiting >= MOST_WAITING:
            raise Overloaded(waiting)
        accepted: Accepted = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(request, accepted))
        if self._worker is None:
            # Not of the request that happens to be the first.
            with for_requests(False):
                self._worker = asyncio.create_task(self._work(), name=NAME)
        return accepted

    async def _work(self) -> None:
        """Until nothing waits. There is one at a time: it says that it has ended in the moment it finds nothing."""
        batch: list[_Waiting] = []
        try:
            while self._waiting:
                # What has arrived meanwhile comes first into the batch.
                await asyncio.sleep(0)
                # Whose client is gone meanwhile is not written any more.
                batch = [each for each in self._next() if not each.accepted.done()]
                if batch:
                    self._runtime.health.tick(NAME, _ALLOWED_SECONDS)
                    await self._write(batch)
        except BaseException as error:
            # Nobody may wait for a worker that is gone, and nobody knows what its connection waits for.
            self._connection.abandon()
            _fail([*batch, *self._waiting], error)
            self._waiting.clear()
            raise
        finally:
            self._worker = None
            self._runtime.health.forget(NAME)

    def _next(self) -> list[_Waiting]:
        return [self._waiting.popleft() for _ in range(min(MOST_AT_ONCE, len(self._waiting)))]

    async def _write(self, batch: Sequence[_Waiting]) -> None:
        try:
            connection = await self._connection.get()
            remaining = await self._add(connection, batch)
            if remaining:
                await self._record(connection, remaining)
        except Exception as error:
            log.warning("answers could not be written", error=what_failed(error))
            _fail(batch, error)

    async def _add(self, connection: AsyncConnection, batch: Sequence[_Waiting]) -> list[_Waiting]:
        """Adds the plainly new answers of the batch; returns the others, in their order."""
        named = {each.request.campaign for each in batch if each.request.campaign is not None} - self._campaigns_known
        if named:
            self._campaigns_known |= await published_among(connection, named)
        probable: dict[str, _Waiting] = {}
        keys: set[str] = set()
        for each in batch:
            request = each.request
            if request.key not in keys and is_probably_new(request, self._campaigns_known):
                probable[request.answer_id] = each
            keys.add(request.key)
        if not probable:
            return list(batch)
        try:
            added = await add(connection, self._runtime, [each.request for each in probable.values()])
        except Exception as error:
            if not (is_fault_of_data(error) or _is_in_the_way(error)):
                raise
            # Which of them it is shows when they are recorded.
            return list(batch)
        self._runtime.relay.wake()
        for answer_id, decided in added.items():
            _accept(probable[answer_id], decided)
        if len(added) == len(batch):
            return []
        return [
            each
            for each in batch
            if each.request.answer_id not in added or probable[each.request.answer_id] is not each
        ]

    async def _record(self, connection: AsyncConnection, batch: Sequence[_Waiting]) -> None:
        requests = [each.request for each in batch]
        try:
            async with begun(connection):
                outcomes = await record(connection, self._runtime, requests, wait=False)
        except Exception as error:
            if _is_in_the_way(error):
                self._go_by_themselves(batch)
            elif not is_fault_of_data(error):
                raise
            elif len(batch) == 1:
                _fail(batch, error)
            else:
                middle = len(batch) // 2
                await self._record(connection, batch[:middle])
                await self._record(connection, batch[middle:])
            return
        self._runtime.relay.wake()
        self._go_by_themselves(_settle(batch, outcomes))

    def _go_by_themselves(self, batch: Sequence[_Waiting]) -> None:
        """Those about one answer one after the other."""
        of_key: dict[str, list[_Waiting]] = {}
        for each in batch:
            of_key.setdefault(each.request.key, []).append(each)
        for several in of_key.values():
            with for_requests():
                task = asyncio.create_task(self._record_one_by_one(several), name=f"{NAME}, one by one")
            self._by_themselves.add(task)
            task.add_done_callback(self._by_themselves.discard)

    async def _record_one_by_one(self, several: Sequence[_Waiting]) -> None:
        try:
            for each in several:
                async with self._turns:
                    if not each.accepted.done():
                        await self._record_one(each)
        except BaseException as error:
            _fail(several, error)
            raise

    async def _record_one(self, one: _Waiting) -> None:
        """Waits for whoever has locked what it needs."""
        try:
            for _ in range(ATTEMPTS):
                async with self._runtime.transaction() as connection:
                    outcomes = await record(connection, self._runtime, [one.request], wait=True)
                if not _settle([one], outcomes):
                    return
            _fail([one], Contended(f"answer {one.request.answer_id}"))
        except Exception as error:
            _fail([one], error)

    async def _close(self) -> None:
        """Finishes what is in progress, for as long as a process may drain; HTTP has ended before."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self._runtime.settings.drain_seconds
        while (tasks := self._tasks()) and loop.time() < until:
            await asyncio.wait(tasks, timeout=until - loop.time())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._connection.close()

    def _tasks(self) -> list[asyncio.Task[None]]:
        return [*self._by_themselves, *([self._worker] if self._worker else [])]


class _OwnConnection:
    """A connection that is kept for as long as it lives; what it executes outside a transaction commits by itself."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._autocommitting = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._connection: AsyncConnection | None = None
        self._driver: Any = None

    async def get(self) -> AsyncConnection:
        """Raises CannotConnect."""
        if self._connection is None or self._driver.is_closed():
            await self._drop()
            self._connection = await self._autocommitting.connect()
            self._driver = driver_of(self._connection)
        return self._connection

    def abandon(self) -> None:
        """Ends it at once, whatever it is doing."""
        if self._connection is not None:
            self._driver.terminate()

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.invalidate()
            await connection.close()

    async def close(self) -> None:
        if self._connection is not None and self._driver.is_closed():
            await self._drop()
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()
        await self._engine.dispose()


def _settle(batch: Sequence[_Waiting], outcomes: Sequence[Outcome]) -> list[_Waiting]:
    """Tells those who wait what became of their requests; returns those of which nothing did."""
    left = []
    for each, outcome in zip(batch, outcomes, strict=True):
        if outcome is None:
            left.append(each)
        elif isinstance(outcome, Decided):
            _accept(each, outcome)
        else:
            _fail([each], outcome)
    return left


def _accept(waiting: _Waiting, decided: Decided) -> None:
    answer = decided.answer
    change = "repeated" if not decided.changed else "recorded" if answer.revision == 1 else "amended"
    metrics.answers.labels(answer.channel, change).inc()
    if not waiting.accepted.done():
        waiting.accepted.set_result(AnswerAccepted(answer_id=answer.answer_id, revision=answer.revision))


def _fail(batch: Sequence[_Waiting], error: BaseException) -> None:
    for each in batch:
        if not each.accepted.done():
            if isinstance(error, Exception):
                each.accepted.set_exception(error)
            else:
                each.accepted.cancel()


def _is_in_the_way(error: BaseException) -> bool:
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) in _IN_THE_WAY
