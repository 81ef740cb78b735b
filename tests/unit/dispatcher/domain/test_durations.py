"""Lengths of time as people write them."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.dispatcher.domain import durations


@pytest.mark.parametrize(
    ("written", "length"),
    [
        ("1 hour", timedelta(hours=1)),
        ("30 days", timedelta(days=30)),
        ("90minutes", timedelta(minutes=90)),
        ("0 days", timedelta(0)),
        (" 2 Weeks ", timedelta(weeks=2)),
    ],
)
def test_durations_are_written_as_people_write_them(written: str, length: timedelta) -> None:
    assert durations.parse(written) == length


@pytest.mark.parametrize("written", ["", "soon", "-1 days", "1 fortnight", "1.5 hours", 3, None, "4000 days", "٣ days"])
def test_other_durations_are_refused(written: object) -> None:
    with pytest.raises(ValueError, match="write"):
        durations.parse(written)


@given(
    st.timedeltas(timedelta(0), durations.LONGEST).map(lambda length: timedelta(seconds=int(length.total_seconds())))
)
def test_a_duration_is_read_back_as_it_was_written(length: timedelta) -> None:
    assert durations.parse(durations.write(length)) == length


@pytest.mark.parametrize("written", ["1 week", "2 weeks", "10 days", "1 hour", "90 minutes", "1 second", "0 days"])
def test_a_duration_is_written_in_the_largest_unit_that_fits(written: str) -> None:
    assert durations.write(durations.parse(written)) == written
