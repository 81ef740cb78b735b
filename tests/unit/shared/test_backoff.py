"""Pauses double up to a limit, and start over after a success."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.backoff import Backoff, Reminders, pause_after, total_of_pauses


def test_pauses_double_up_to_the_limit() -> None:
    backoff = Backoff(first=0.1, longest=1.5)
    assert [backoff.failed() for _ in range(6)] == [0.1, 0.2, 0.4, 0.8, 1.5, 1.5]


def test_a_success_starts_over() -> None:
    backoff = Backoff(first=0.1, longest=15)
    failing = [backoff.failing]
    assert (backoff.failed(), backoff.failed()) == (0.1, 0.2)
    failing.append(backoff.failing)
    backoff.succeeded()
    failing.append(backoff.failing)
    assert failing == [False, True, False]
    assert backoff.failed() == 0.1


def test_even_the_millionth_failure_has_a_pause() -> None:
    assert pause_after(1_000_000, first=10, longest=3_600) == 3_600
    assert pause_after(0, first=10, longest=3_600) == 10


@given(st.floats(0.1, 100), st.floats(0.1, 10_000), st.integers(0, 60))
def test_the_total_is_the_sum_of_the_pauses(first: float, longest: float, failures: int) -> None:
    pauses = [pause_after(number, first=first, longest=longest) for number in range(1, failures + 1)]
    assert total_of_pauses(failures, first=first, longest=longest) == pytest.approx(sum(pauses))


def test_what_goes_on_is_said_at_growing_distances_and_what_is_new_at_once() -> None:
    now = [0.0]
    reminders = Reminders(first=1, longest=4, now=lambda: now[0])
    said = []
    for second in range(12):
        now[0] = second
        if reminders.due("wrong password"):
            said.append(second)
    assert said == [0, 1, 3, 7, 11]
    assert reminders.due("unknown database")
    assert not reminders.due("unknown database")
    now[0] += 1
    assert reminders.due("unknown database"), "the distances begin anew"
