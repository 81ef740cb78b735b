"""The driver resumes where a replay was killed, even after its last step."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from shared.clock import SteppedClock
from tools.replay.driver import Counters, Driver
from tools.replay.oracle import Steps
from tools.replay.plan import Plan
from tools.simulation.shop_event import ShopEvent

START = datetime(2018, 1, 1, tzinfo=UTC)
STEPS = Steps(START, timedelta(days=1))


def event(number: int) -> ShopEvent:
    return ShopEvent(id=str(number), type="order.placed", occurred_at=STEPS.moment(number), customer_id="c1", body={})


class Loop:
    """A fake of shop, dispatcher and mailbox that records calls and completes at once."""

    def __init__(self, clock: SteppedClock) -> None:
        self.clock = clock
        self.published: list[str] = []
        self.decided: list[datetime] = []

    async def publish(self, events: list[ShopEvent]) -> None:
        self.published += [event.id for event in events]

    async def wait_until_consumed(self) -> None:
        pass

    async def wait_until_decided(self, now: datetime) -> None:
        assert self.clock.now() == now
        self.decided.append(now)

    async def wait_until_delivered(self, moment: datetime) -> None:
        assert self.decided[-1] == self.clock.now() == moment
        # What happens next must not be known to a courier that still has something to send.
        assert [number for number in self.published if STEPS.moment(int(number)) > moment] == []

    async def new(self) -> list[Any]:
        return []


@pytest.mark.parametrize(
    ("completed_step", "published", "steps"),
    [(-1, ["0", "2", "5"], [0, 2, 5]), (0, ["2", "5"], [2, 5]), (2, ["5"], [5]), (5, [], [])],
)
async def test_completed_steps_are_not_repeated(
    tmp_path: Path, completed_step: int, published: list[str], steps: list[int]
) -> None:
    active_steps = [0, 2, 5]
    clock = SteppedClock.create(tmp_path / "clock", STEPS.moment(max(completed_step, 0)))
    loop = cast("Any", Loop(clock))
    finished: list[int] = []

    def step_done(number: int, _count: Counters) -> None:
        finished.append(number)

    plan = Plan(STEPS, {number: [event(number)] for number in active_steps}, {}, active_steps)
    await Driver(plan, clock, loop, loop, loop, loop, step_done).run(after=completed_step)
    assert (loop.published, finished) == (published, steps)
    assert loop.decided == [STEPS.moment(number) for number in steps]
