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


def test_the_more_records_a_batch_had_the_longer_the_next_waits_up_to_a_limit() -> None:
    clock = Seconds()
    pacing = Pacing(0.015, longest=0.05, now=clock)
    for records, distance in ((0, 0.015), (3, 0.018), (20, 0.035), (35, 0.05), (500, 0.05)):
        pacing.begin(records)
        assert round(pacing.remaining(), 6) == distance, records


def test_without_a_longest_distance_all_batches_are_equally_far_apart() -> None:
    pacing = Pacing(0.1, now=Seconds())
    pacing.begin(5_000)
    assert round(pacing.remaining(), 6) == 0.1
