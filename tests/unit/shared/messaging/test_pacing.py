"""The first batch after a silence begins at once, those after it at a distance."""

from shared.messaging.pacing import STEPS, Pacing


class Seconds:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_the_first_batch_does_not_wait_and_the_next_keeps_its_distance() -> None:
    clock = Seconds()
    pacing = Pacing(0.1, now=clock)
    assert pacing.remaining() == 0
    pacing.begin()
    assert round(pacing.remaining(), 6) == 0.1
    clock.now += 0.04
    assert round(pacing.remaining(), 6) == 0.06


def test_after_a_silence_nothing_waits() -> None:
    clock = Seconds()
    pacing = Pacing(0.1, now=clock)
    pacing.begin()
    clock.now += 0.1001
    assert pacing.remaining() == 0
    clock.now += 3_600
    assert pacing.remaining() == 0


def test_records_are_taken_several_times_on_the_way() -> None:
    pacing = Pacing(0.09)
    assert round(pacing.step(1) * STEPS, 6) == 0.09


def test_in_a_backlog_the_next_records_are_taken_at_once() -> None:
    assert Pacing(1.0).step(5_000) <= 0.001
