"""Counts are compared as a reader would: what is missing counts as none, and answers are counted once."""

from benchmarks.answers import Answers
from benchmarks.peers.oracle import Difference, by_segment_and_day, compare

EXPECTED = {"everybody|2026-11-01": (5, 2, 1), "country:c1|2026-11-01": (5, 2, 1)}


def test_equal_counts_are_exact_and_zeros_may_be_missing_or_there() -> None:
    difference = compare({**EXPECTED, "everybody|2026-11-02": (0, 0, 0)}, EXPECTED)
    assert difference == Difference(wrong=0, compared=3, too_many=0, too_few=0)
    assert difference.text == "exact: 3 counts"


def test_an_answer_that_is_in_several_segments_is_one_answer_too_many() -> None:
    twice = {"everybody|2026-11-01": (6, 2, 1), "country:c1|2026-11-01": (6, 2, 1)}
    difference = compare(twice, EXPECTED)
    assert (difference.wrong, difference.too_many, difference.too_few) == (2, 1, 0)


def test_an_amendment_that_was_not_applied_is_one_too_many_and_one_too_few() -> None:
    not_moved = {**EXPECTED, "everybody|2026-11-01": (6, 2, 0)}
    difference = compare(not_moved, EXPECTED)
    assert (difference.wrong, difference.too_many, difference.too_few) == (1, 1, 1)
    assert difference.text == "1 answers too many, 1 too few; 1 of 2 counts differ"


def test_a_missing_count_is_too_few() -> None:
    assert compare({}, EXPECTED) == Difference(wrong=2, compared=2, too_many=0, too_few=8)


def test_the_expected_counts_have_every_answer_in_everybody_once() -> None:
    answers = Answers(count=3_000)
    ids = {record.key for record in answers}
    counts = by_segment_and_day(answers.expected)
    assert sum(sum(count) for key, count in counts.items() if key.startswith("everybody|")) == len(ids)
    assert all(any(count) for count in counts.values())
