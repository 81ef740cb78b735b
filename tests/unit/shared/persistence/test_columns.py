"""A statement's columns and its parameters come from one list."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.persistence.columns import Columns, array_literal

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


def test_arrays_are_written_as_postgresql_writes_them() -> None:
    at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    columns = Columns(key="uuid", at="timestamptz", stopped="boolean", revision="integer", body="jsonb", ids="text[]")
    assert columns.written == (
        "unnest(CAST(CAST(:key AS text) AS uuid[]), CAST(CAST(:at AS text) AS timestamptz[]), "
        "CAST(CAST(:stopped AS text) AS boolean[]), CAST(CAST(:revision AS text) AS integer[]), "
        "CAST(CAST(:body AS text) AS text[]), CAST(CAST(:ids AS text) AS text[])) "
        "AS given (key, at, stopped, revision, body, ids)"
    )
    values: dict[str, list[Any]] = {
        "key": ["k", None],
        "at": [at, at],
        "stopped": [True, None],
        "revision": [0, -7],
        "body": ['{"a": "\\n"}', "[]"],
        "ids": [array_literal(["a"]), None],
    }
    assert columns.literals(values) == {
        "key": '{"k",NULL}',
        "at": '{"2026-03-01T12:00:00+00:00","2026-03-01T12:00:00+00:00"}',
        "stopped": '{"t",NULL}',
        "revision": '{"0","-7"}',
        "body": r'{"{\"a\": \"\\n\"}","[]"}',
        "ids": r'{"{\"a\"}",NULL}',
    }
    assert columns.literals(dict.fromkeys(values, ())) == dict.fromkeys(values, "{}")


def test_an_array_of_a_type_that_nobody_writes_is_an_error() -> None:
    with pytest.raises(ValueError, match="arrays of bytea cannot be written"):
        array_literal([b"x"], "bytea")


def read_back(literal: str) -> list[str | None]:
    """As PostgreSQL reads an array of one dimension, in which texts are quoted and NULL is not."""
    assert literal[0] + literal[-1] == "{}"
    found = re.findall(r'"((?:[^"\\]|\\.)*)"|(NULL)', literal[1:-1], re.S)
    assert ",".join("NULL" if null else f'"{text}"' for text, null in found) == literal[1:-1]
    return [None if null else re.sub(r"\\(.)", r"\1", text, flags=re.S) for text, null in found]


texts = st.text(st.sampled_from('ab"\\,{}\x00\x01é NUL'), max_size=6)


@given(st.lists(st.none() | texts | st.sampled_from(["", "NULL", "\x01", "\x00", '","']), max_size=8))
def test_an_array_holds_the_texts_it_was_written_from(values: list[str | None]) -> None:
    assert read_back(array_literal(values)) == values
