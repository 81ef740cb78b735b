"""Whatever the order and number of writes, the same ones win."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.last_write_wins import LastWrites, Value, merge, newer_than, text_of
from shared.moments import earliest, latest, moment_of, stamp_of

START = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)

values = st.none() | st.sampled_from(["a", "b"]) | st.lists(st.sampled_from("ab"), max_size=2) | st.just({"k": "v"})
writes = st.tuples(
    st.dictionaries(st.sampled_from(["email", "tags"]), values), st.integers(0, 3).map(lambda n: START + n * HOUR)
)
moments = st.datetimes(datetime(1970, 1, 1), datetime(2199, 1, 1), timezones=st.just(UTC))


def merged(told: list[tuple[dict[str, Value | None], datetime]]) -> LastWrites:
    result: LastWrites = {}
    for fields, at in told:
        result = merge(result, fields, at)
    return result


@given(st.lists(writes, max_size=6), st.data())
def test_any_order_and_any_repetition_give_the_same(
    told: list[tuple[dict[str, Value | None], datetime]], data: st.DataObject
) -> None:
    again = data.draw(st.lists(st.sampled_from(told), max_size=4)) if told else []
    assert merged(data.draw(st.permutations([*told, *again]))) == merged(told)


def test_the_later_write_wins_and_of_two_at_once_the_greater_value() -> None:
    first = merge({}, {"name": "Ana", "email": "b@example.com"}, START)
    assert text_of(merge(first, {"name": "Ana P."}, START + HOUR), "name") == "Ana P."
    assert text_of(merge(first, {"name": "Before"}, START - HOUR), "name") == "Ana"
    assert text_of(merge(first, {"email": "a@example.com"}, START), "email") == "b@example.com"
    assert text_of(merge(first, {"email": "c@example.com"}, START), "email") == "c@example.com"


def test_none_is_not_a_write() -> None:
    known = merge({}, {"name": "Ana"}, START)
    assert merge(known, {"name": None, "email": None}, START + HOUR) == known


def test_merging_leaves_what_it_was_given_as_it_was() -> None:
    known = merge({}, {"name": "Ana"}, START)
    merge(known, {"name": "Bea", "email": "b@example.com"}, START + HOUR)
    assert known == {"name": (stamp_of(START), "Ana")}


def test_newer_than_keeps_only_what_was_written_after_the_moment() -> None:
    known = merge(merge({}, {"name": "Ana"}, START), {"email": "a@example.com"}, START + HOUR)
    assert newer_than(known, START) == {"email": (stamp_of(START + HOUR), "a@example.com")}
    assert newer_than(known, START + HOUR) == {}


def test_only_a_text_is_read_as_a_text() -> None:
    known = merge({}, {"tags": ["a"], "attributes": {"k": "v"}, "name": "Ana"}, START)
    assert [text_of(known, field) for field in ("tags", "attributes", "missing", "name")] == [None, None, None, "Ana"]


@given(moments)
def test_a_stamp_is_the_moment_to_the_microsecond(moment: datetime) -> None:
    assert moment_of(stamp_of(moment)) == moment
    assert stamp_of(moment.astimezone(timezone(-3 * HOUR))) == stamp_of(moment)


@pytest.mark.parametrize(
    ("one", "other", "first", "last"),
    [
        (None, None, None, None),
        (START, None, START, START),
        (None, START, START, START),
        (START + HOUR, START, START, START + HOUR),
    ],
)
def test_an_unknown_moment_is_neither_first_nor_last(
    one: datetime | None, other: datetime | None, first: datetime | None, last: datetime | None
) -> None:
    assert (earliest(one, other), latest(one, other)) == (first, last)
