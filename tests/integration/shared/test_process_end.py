"""Whether a process that ends was asked to, or a loop of it gave up."""

import asyncio

from shared.process import ended_early


async def test_a_loop_that_ends_by_itself_is_a_failure_and_one_that_was_asked_to_is_none() -> None:
    stop = asyncio.Event()
    giving_up = asyncio.Event()
    giving_up.set()

    async def loop(until: asyncio.Event) -> None:
        await until.wait()

    ended, running = asyncio.create_task(loop(giving_up)), asyncio.create_task(loop(stop))
    await ended
    tasks = [ended, running]
    assert ended_early(tasks, stop) == [ended]
    stop.set()
    await running
    assert ended_early(tasks, stop) == []
