"""Words staff read."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.alerter.web import words
from tests.unit.alerter.examples import NOON


@pytest.mark.parametrize(
    ("left", "said", "urgency"),
    [
        (timedelta(minutes=-1), "1 min overdue", "overdue"),
        (timedelta(hours=-30), "30 h overdue", "overdue"),
        (timedelta(days=-9), "9 days overdue", "overdue"),
        (timedelta(minutes=45), "45 min left", "soon"),
        (timedelta(hours=2), "2 h left", "calm"),
        (timedelta(hours=23, minutes=59), "23 h left", "calm"),
    ],
)
def test_time_left_says_how_urgent_it_is(left: timedelta, said: str, urgency: str) -> None:
    assert words.time_left(left) == words.TimeLeft(said, urgency)  # type: ignore[arg-type]


def test_lateness_tells_a_promise_kept_from_one_broken() -> None:
    day = timedelta(days=1)
    assert words.lateness(promised=None, delivered=NOON, now=NOON) is None
    assert words.lateness(promised=NOON, delivered=NOON - day, now=NOON + day) == "on time"
    assert words.lateness(promised=NOON, delivered=NOON + 3 * day, now=NOON + 9 * day) == "3 days later than promised"
    assert words.lateness(promised=NOON, delivered=None, now=NOON - day) is None
    assert words.lateness(promised=NOON, delivered=None, now=NOON + 4 * day) == "promised 4 days ago, not delivered"


@given(st.text(max_size=400), st.integers(10, 120))
def test_first_words_are_one_short_line(text: str, most: int) -> None:
    line = words.first_words(text, most)
    assert len(line) <= most + 1
    assert "\n" not in line


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("Late again.", "Late again."),
        ("exactly twenty chars", "exactly twenty chars"),
        ("Nine days late,\n and nobody answered", "Nine days late, and…"),
        ("Nine days   late – again, really", "Nine days late…"),
        ("Unbrokenwithoutanyspaceatall", "Unbrokenwithoutanysp…"),
        ("a " + "b" * 40, "a bbbbbbbbbbbbbbbbbb…"),
    ],
)
def test_first_words_are_cut_between_words_where_that_leaves_half(text: str, line: str) -> None:
    assert words.first_words(text, 20) == line


def test_a_list_says_how_long_ago_somebody_was_in_touch() -> None:
    assert words.since("contacted", timedelta(hours=3)) == "Contacted 3 h ago"
    assert words.since("closed", timedelta(days=3)) == "Closed 3 days ago"
    assert words.since("closed", timedelta(seconds=59)) == "Closed just now"
    assert words.since("open", timedelta(hours=3)) is None
