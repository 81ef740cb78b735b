"""One clock for every process: shifted, fast, or stepped by a file."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shared.clock import FastClock, RealClock, SteppedClock, clock_from, real_seconds_until

START = datetime(2016, 9, 1, tzinfo=UTC)


def test_no_setting_is_the_real_clock() -> None:
    assert isinstance(clock_from(""), RealClock)


def test_a_fast_clock_is_the_same_wherever_it_is_asked() -> None:
    real = datetime.now(UTC) - timedelta(seconds=10)
    setting = f"2026-01-01T00:00:00Z@{real.isoformat()}x86400"
    first, second = clock_from(setting), clock_from(setting)
    assert isinstance(first, FastClock)
    earlier, later = first.now(), second.now()
    assert earlier <= later
    assert earlier - datetime(2026, 1, 1, tzinfo=UTC) >= timedelta(days=10)


def test_a_stepped_clock_moves_for_all_who_read_it(tmp_path: Path) -> None:
    path = tmp_path / "clock"
    driver = SteppedClock.create(path, START)
    reader = clock_from(f"file:{path}")
    assert reader.now() == START
    later = START + timedelta(days=3, microseconds=7)
    driver.step_to(later)
    assert reader.now() == later
    with pytest.raises(ValueError, match="cannot go back"):
        driver.step_to(START)


def test_how_long_it_takes_until_a_moment_of_the_clock(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    fast = clock_from(f"2026-01-01T00:00:00Z@{now.isoformat()}x86400")
    stepped = SteppedClock.create(tmp_path / "clock", START)
    assert 50 < real_seconds_until(RealClock(), now + timedelta(minutes=1)) <= 60
    assert 9 < real_seconds_until(fast, datetime(2026, 1, 11, tzinfo=UTC)) <= 10
    assert real_seconds_until(RealClock(), now) == 0, "it has passed"
    assert real_seconds_until(stepped, START + timedelta(days=1)) == 0, "nobody knows when it is stepped"


@pytest.mark.parametrize(
    "setting",
    [
        "yesterday",
        "2026-01-01@2026-01-01T00:00:00Zx2",
        "2026-01-01T00:00:00Z@2026-01-01T00:00:00Z",
        "file:/none/there",
        "2026-01-01T00:00:00Z@2026-01-01T00:00:00Zx0",
        "2026-01-01T00:00:00Z@2026-01-01T00:00:00Zx-1",
    ],
)
def test_a_bad_clock_is_refused_with_a_sentence(setting: str) -> None:
    with pytest.raises(ValueError, match=r"offset|not <time>|does not exist"):
        clock_from(setting)
