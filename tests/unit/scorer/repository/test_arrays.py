"""PostgreSQL's text form of arrays."""

from datetime import date

from services.scorer.repository.arrays import (
    array,
    array_of_arrays,
    array_of_days,
    array_of_ids,
    array_of_numbers,
    array_of_words,
    array_text,
)


def test_an_array_of_values_that_need_no_quotes() -> None:
    assert array([1, None, 3]) == "{1,NULL,3}"
    assert array([date(2026, 3, 1), True, False]) == "{2026-03-01,True,False}"
    assert array([]) == "{}"


def test_an_array_of_numbers() -> None:
    assert array_of_numbers([1, None, -3]) == "{1, NULL, -3}"
    assert array_of_numbers([]) == "{}"


def test_an_array_of_numbers_as_text() -> None:
    assert (array_text((0, 4, 7)), array_text(()), array_text(None)) == ("{0, 4, 7}", "{}", None)


def test_arrays_of_several_lengths_are_an_array_of_texts() -> None:
    assert array_of_arrays([(0, 4, 7), None, (0,), ()]) == '{"{0, 4, 7}", NULL, "{0}", "{}"}'


def test_what_is_written_faster_is_the_same_array() -> None:
    days = [date(2026, 3, 1), None, date(2026, 3, 2), date(2026, 3, 1)]
    assert array_of_days(days) == array(days)
    assert array_of_ids(["a", "b"]) == array(["a", "b"])
    for words in (["promoter", None], [None, None], [None], ["passive"]):
        assert array_of_words(words) == array(words)
