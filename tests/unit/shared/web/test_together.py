"""Requests that wait at the same time share a result; nobody gets one from before they asked."""

import asyncio

import pytest

from shared.web.together import Together


class Work:
    """Counts how often it began; each run ends when it is told to."""

    def __init__(self) -> None:
        self.begun = 0
        self.go_on = asyncio.Event()
        self.error: Exception | None = None

    async def __call__(self) -> int:
        self.begun += 1
        number = self.begun
        await self.go_on.wait()
        if self.error is not None:
            raise self.error
        return number


async def waiting(tasks: list["asyncio.Task[int]"], work: Work) -> None:
    for _ in range(5):
        await asyncio.sleep(0)
    assert not any(task.done() for task in tasks) and work.begun == 1


async def test_twenty_at_once_cost_two_and_nobody_gets_what_was_read_before_they_asked() -> None:
    together, work = Together[str, int](), Work()
    tasks = [asyncio.create_task(together.get("everybody", work)) for _ in range(20)]
    await waiting(tasks, work)
    work.go_on.set()
    assert await asyncio.gather(*tasks) == [1] + [2] * 19
    assert await together.get("everybody", work) == 3


async def test_different_work_is_not_shared() -> None:
    together, work = Together[str, int](), Work()
    work.go_on.set()
    assert sorted(await asyncio.gather(*(together.get(key, work) for key in ("BR", "NO")))) == [1, 2]


async def test_a_client_that_goes_away_leaves_the_others_their_result() -> None:
    together, work = Together[str, int](), Work()
    tasks = [asyncio.create_task(together.get("everybody", work)) for _ in range(3)]
    await waiting(tasks, work)
    tasks[0].cancel()
    tasks[1].cancel()
    work.go_on.set()
    assert await tasks[2] == 2


async def test_who_waits_for_work_that_fails_is_told_and_the_next_may_succeed() -> None:
    together, work = Together[str, int](), Work()
    work.error = ValueError("no database")
    tasks = [asyncio.create_task(together.get("everybody", work)) for _ in range(3)]
    await waiting(tasks, work)
    work.go_on.set()
    assert [type(found) for found in await asyncio.gather(*tasks, return_exceptions=True)] == [ValueError] * 3
    work.error = None
    assert await together.get("everybody", work) == 3
    with pytest.raises(ValueError, match="no database"):
        work.error = ValueError("no database")
        await together.get("everybody", work)
