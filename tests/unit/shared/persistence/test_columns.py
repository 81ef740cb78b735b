"""A statement's columns and its parameters come from one list."""

from dataclasses import dataclass

import pytest

from shared.persistence.columns import Columns

COLUMNS = Columns(case_id="text", answer="jsonb", opened_at="timestamp with time zone")


@dataclass(frozen=True, slots=True)
class Row:
    case_id: str
    answer: str
    opened_at: int


def test_the_texts_of_a_statement() -> None:
    assert COLUMNS.names == "case_id, answer, opened_at"
    assert COLUMNS.values == "case_id, answer::jsonb, opened_at"
    assert COLUMNS.given == (
        "unnest(CAST(:case_id AS text[]), CAST(:answer AS text[]), CAST(:opened_at AS timestamp with time zone[])) "
        "AS given (case_id, answer, opened_at)"
    )
    assert COLUMNS.updates("given") == (
        "case_id = given.case_id, answer = given.answer::jsonb, opened_at = given.opened_at"
    )
    assert COLUMNS.updates("excluded", but="case_id") == (
        "answer = excluded.answer::jsonb, opened_at = excluded.opened_at"
    )


def test_arrays_travel_as_texts() -> None:
    columns = Columns(key="uuid", segment_ids="integer[]")
    assert columns.given == "unnest(CAST(:key AS uuid[]), CAST(:segment_ids AS text[])) AS given (key, segment_ids)"
    assert columns.values == "key, segment_ids::integer[]"
    assert columns.updates("excluded", but="key") == "segment_ids = excluded.segment_ids::integer[]"


def test_one_array_a_column_in_the_order_of_the_rows() -> None:
    rows = [Row("a", "{}", 1), Row("b", "[]", 2)]
    expected = {"case_id": ["a", "b"], "answer": ["{}", "[]"], "opened_at": [1, 2]}
    assert COLUMNS.attributes(iter(rows)) == expected
    assert COLUMNS.parameters({"opened_at": r.opened_at, "answer": r.answer, "case_id": r.case_id} for r in rows) == (
        expected
    )
    assert COLUMNS.parameters([]) == {"case_id": [], "answer": [], "opened_at": []}


def test_a_row_without_a_column_is_an_error() -> None:
    with pytest.raises(KeyError, match="answer"):
        COLUMNS.parameters([{"case_id": "a"}])


@pytest.mark.parametrize("types", [{"a b": "text"}, {"a": "text)"}, {"a": "text; --"}, {"A": "text"}, {"a": ""}])
def test_only_names_become_part_of_a_statement(types: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="is not a column's name and type"):
        Columns(**types)
