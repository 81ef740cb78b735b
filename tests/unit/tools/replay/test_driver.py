"""The driver goes on where a replay was killed, also when that was after its last step."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from shared.clock import SteppedClock
from tools.replay.driver import Count, Driver, Plan
from tools.replay.oracle import Steps
from tools.simulation.shop import ShopEvent

START = datetime(2018, 1, 1, tzinfo=UTC)
STEPS = Steps(START, timedelta(days=1))


def event(number: int) -> ShopEvent:
    return ShopEvent(str(number), "order.placed", STEPS.moment(number), "c1", {})


class Loop:
    """Stands for shop, dispatcher and mailbox: notes what is asked of them, and has done it."""

    def __init__(self, clock: SteppedClock) -> None:
        self.clock = clock
        self.told: list[str] = []
        self.decided: list[datetime] = []

    async def publish(self, events: list[ShopEvent]) -> None:
        self.told += [event.id for event in events]

    async def took_in_everything(self) -> None:
        pass

    async def decided_everything(self, now: datetime) -> None:
        assert self.clock.now() == now
        self.decided.append(now)

    async def new(self) -> list[Any]:
        return []


@pytest.mark.parametrize(
    ("done", "told", "steps"),
    [(-1, ["0", "2", "5"], [0, 2, 5]), (0, ["2", "5"], [2, 5]), (2, ["5"], [5]), (5, [], [])],
)
async def test_what_is_done_is_not_done_again(tmp_path: Path, done: int, told: list[str], steps: list[int]) -> None:
    wake = [0, 2, 5]
    clock = SteppedClock.create(tmp_path / "clock", STEPS.moment(max(done, 0)))
    loop = cast("Any", Loop(clock))
    finished: list[int] = []

    def step_done(number: int, _count: Count) -> None:
        finished.append(number)

    plan = Plan(STEPS, {number: [event(number)] for number in wake}, {}, wake)
    await Driver(plan, clock, loop, loop, loop, loop, step_done).run(after=done)
    assert (loop.told, finished) == (told, steps)
    assert loop.decided == [STEPS.moment(number) for number in steps]
