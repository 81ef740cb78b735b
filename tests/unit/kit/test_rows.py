"""What a migration does to rows does not go unnoticed."""

import pytest

from tests.kit.rows import Rows, differences

BEFORE: Rows = {"sends": [{"id": 1, "at": "noon"}, {"id": 2, "at": None}], "answers": [{"id": 1}]}


def test_rows_may_lie_elsewhere_and_tables_may_be_added() -> None:
    assert differences(BEFORE, {**BEFORE, "sends": [*reversed(BEFORE["sends"])], "wishes": []}, {}) == []


@pytest.mark.parametrize(
    ("after", "words"),
    [
        ({"answers": [{"id": 1}]}, "sends is gone"),
        ({**BEFORE, "answers": []}, "answers held"),
        ({**BEFORE, "answers": [{"id": 1}, {"id": 1}]}, "answers held"),
        ({**BEFORE, "sends": [{"id": 1, "at": "one"}, {"id": 2, "at": None}]}, "sends held"),
        ({**BEFORE, "answers": [{"key": 1}]}, "answers held"),
        ({**BEFORE, "answers": [{"id": 1, "score": 0}]}, "answers.score is new"),
    ],
)
def test_what_is_lost_or_other_or_new_is_named(after: Rows, words: str) -> None:
    found = differences(BEFORE, after, {})
    assert found and found[0].startswith(words)


def test_what_a_step_is_meant_to_change_is_as_it_says() -> None:
    after: Rows = {"sends": BEFORE["sends"], "replies": [{"id": 1}]}
    assert differences(BEFORE, after, {"answers": None}) == []
    assert differences(BEFORE, BEFORE, {"answers": None}) == ["answers is still there"]
    scored: Rows = {**BEFORE, "answers": [{"id": 1, "score": 0}]}
    assert differences(BEFORE, scored, {"answers": [{"id": 1, "score": 0}]}) == []
    assert differences(BEFORE, scored, {"answers": [{"score": 5}]}) != []
