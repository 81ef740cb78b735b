"""Writes the answers of all requests, whichever way they came in, those that arrive together in one transaction.

While one batch is being written the next one gathers; nothing waits for more to come. What an erasure or another
process has locked, what is refused and what is contended is taken out of it and goes by itself, in a transaction that
may wait, so that one request's trouble is not its neighbours'. A batch itself waits, for a moment, only for what it
cannot look past, such as another process that is adding an answer with the same id. Which of its requests that is, and
which the database rejects, is found by halving the batch.
"""

import asyncio
import contextvars
import secrets
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.collector.actions.answers import Outcome, add, is_probably_new, record
from services.collector.actions.contention import ATTEMPTS, Contended, Overloaded
from services.collector.domain.answer_requests import AnswerRequest, Decided, direct_request, survey_request
from services.collector.domain.answers import AnswerAccepted, AnswerParts, DirectAnswer
from services.collector.repository.answers import wait_at_most
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
"""How many wait for a batch; more are refused, rather than to let everybody wait."""
MOST_BY_THEMSELVES = 500
"""The same of those that go by themselves, which take no place from the others."""
# Of the pool's connections for requests, so that pages have some, however many answers have to wait.
_TURNS = 2
# How many of them those may have that are waiting for locks; the other is for those that come.
_TURNS_FOR_LOCKED = 1
# How long a lock is waited for: by a batch, by a request that goes by itself, and by it whenever it comes back.
_BATCH_MILLISECONDS = 50
_FIRST_MILLISECONDS = 20
_LOCKED_MILLISECONDS = 100
_PATIENCE_SECONDS = 20.0
"""How long locks keep a request by itself waiting in all."""
_MOST_WAITS = 10
"""After so many locks that were waited for in vain, a batch is not halved any more to find who needs them."""
_ALLOWED_SECONDS = 60
# Another transaction holds what the batch needs: lock_not_available, deadlock_detected, serialization_failure.
_IN_THE_WAY = ("55P03", "40P01", "40001")


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    request: AnswerRequest
    accepted: Accepted


class AnswerWriter:
    """Answers are written on a connection of its own, so that nothing else keeps them waiting."""

    def __init__(self, runtime: Runtime[CollectorSettings]) -> None:
        self._runtime = runtime
        self._connection = _OwnConnection(
            open_engine(
                runtime.settings.database_url.get_secret_value(),
                name=f"{runtime.name}-answers",
                pool_size=1,
                lock_timeout=str(_BATCH_MILLISECONDS),
            )
        )
        self._waiting: deque[_Waiting] = deque()
        self._worker: asyncio.Task[None] | None = None
        self._apart: set[_Waiting] = set()
        self._by_themselves: set[asyncio.Task[None]] = set()
        self._turns = asyncio.Semaphore(_TURNS)
        self._turns_for_locked = asyncio.Semaphore(_TURNS_FOR_LOCKED)
        # Of no request: what is logged about many must not have the trace of the first.
        self._context = contextvars.copy_context()
        self._campaigns_known: set[str] = set()
        runtime.closing.push_async_callback(self._close)

    def submit_survey(self, send_id: str, given: AnswerParts) -> Accepted:
        """Records or amends the answer to a survey, and is done once that has committed.

        The future raises UnknownSurvey, ErasedSurvey, ClosedSurvey, ScoreMissing, TooManyFurtherAnswers, Contended
        or Overloaded; then nothing was recorded. Raises Overloaded.
        """
        began = self._runtime.clock.now()
        return self._submit(survey_request(send_id, given, began=began, traceparent=tracing.current()))

    def submit_directly(self, body: DirectAnswer, *, caller: str, idempotency_key: str | None) -> Accepted:
        """The same for an answer that the shop's own backend reports; ``caller`` is the name of its API key.

        A request that is repeated with its ``idempotency_key`` changes nothing, even if the answer was amended in
        between. The future raises ErasedAnswer, GivenBeforeErasure, AnswerOfAnother, KeyReused, AmbiguousId,
        UnknownCampaign, TooManyFurtherAnswers, Contended or Overloaded; then nothing was recorded. Raises Overloaded.
        """
        request = direct_request(
            body,
            caller=caller,
            idempotency_key=idempotency_key,
            began=self._runtime.clock.now(),
            randomness=partial(secrets.randbits, 74),
            traceparent=tracing.current(),
        )
        return self._submit(request)

    def _submit(self, request: AnswerRequest) -> Accepted:
        if len(self._waiting) >= MOST_WAITING:
            raise Overloaded(len(self._waiting))
        accepted: Accepted = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(request, accepted))
        if self._worker is None:
            self._worker = asyncio.create_task(self._work(), name=NAME, context=self._context.copy())
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
                    batch = []
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
            left = await self._record(connection, remaining) if remaining else []
        except Exception as error:
            log.warning("answers could not be written", error=what_failed(error))
            _fail(batch, error)
        else:
            # Only now: of none of them it may be said that it failed while it is being recorded.
            self._go_by_themselves(left)

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

    async def _record(self, connection: AsyncConnection, batch: Sequence[_Waiting]) -> list[_Waiting]:
        """Records what can be recorded now; returns the others, in their order."""
        left: list[_Waiting] = []
        waits = 0
        groups = deque([batch])
        while groups:
            # What follows one that has to wait, about the same answer, waits behind it.
            keys = {each.request.key for each in left}
            whole = groups.popleft()
            group = [each for each in whole if each.request.key not in keys]
            left.extend(each for each in whole if each.request.key in keys)
            if not group:
                continue
            try:
                async with begun(connection):
                    outcomes = await record(connection, self._runtime, [each.request for each in group], wait=False)
            except Exception as error:
                in_the_way = _is_in_the_way(error)
                if not (in_the_way or is_fault_of_data(error)):
                    raise
                waits += in_the_way
                if len(group) > 1 and not (in_the_way and waits > _MOST_WAITS):
                    middle = len(group) // 2
                    groups.extendleft((group[middle:], group[:middle]))
                elif in_the_way:
                    left += group
                else:
                    _fail(group, error)
                continue
            self._runtime.relay.wake()
            left += _settle(group, outcomes)
        return left

    def _go_by_themselves(self, batch: Sequence[_Waiting]) -> None:
        """Those about one answer one after the other. Those for which there is no place are refused."""
        places = max(MOST_BY_THEMSELVES - len(self._apart), 0)
        _fail(batch[places:], Overloaded(len(self._apart)))
        of_key: dict[str, list[_Waiting]] = {}
        for each in batch[:places]:
            of_key.setdefault(each.request.key, []).append(each)
        for several in of_key.values():
            self._apart.update(several)
            task = asyncio.create_task(
                self._record_one_by_one(several), name=f"{NAME}, one by one", context=self._context.copy()
            )
            self._by_themselves.add(task)
            task.add_done_callback(self._by_themselves.discard)

    async def _record_one_by_one(self, several: Sequence[_Waiting]) -> None:
        until = asyncio.get_running_loop().time() + _PATIENCE_SECONDS
        try:
            with for_requests():
                for each in several:
                    await self._record_one(each, until)
        except BaseException as error:
            _fail(several, error)
            raise
        finally:
            self._apart.difference_update(several)

    async def _record_one(self, one: _Waiting, until: float) -> None:
        """Comes back for what is locked, and leaves others their turns meanwhile; ``until`` is when it gives up."""
        try:
            async with self._turns:
                settled = await self._try(one, _FIRST_MILLISECONDS)
            while not settled:
                async with self._turns_for_locked, self._turns:
                    if asyncio.get_running_loop().time() >= until:
                        raise Contended(f"answer {one.request.answer_id}", f"was locked for {_PATIENCE_SECONDS:.0f} s")
                    settled = await self._try(one, _LOCKED_MILLISECONDS)
        except Exception as error:
            _fail([one], error)

    async def _try(self, one: _Waiting, lock_milliseconds: int) -> bool:
        """Whether it is settled; False if a lock was waited for in vain. Raises Contended."""
        for _ in range(ATTEMPTS):
            if one.accepted.done():
                return True
            try:
                async with self._runtime.transaction() as connection:
                    await wait_at_most(connection, milliseconds=lock_milliseconds)
                    outcomes = await record(connection, self._runtime, [one.request], wait=True)
            except DBAPIError as error:
                if not _is_in_the_way(error):
                    raise
                return False
            if not _settle([one], outcomes):
                return True
        raise Contended(f"answer {one.request.answer_id}", f"changed {ATTEMPTS} times")

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
