"""A cursor is ours or a problem; nothing in between reaches a query."""

import base64

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.web.paging import read_cursor, write_cursor
from shared.web.problems import Problem


@given(st.text().filter(lambda text: "\x00" not in text), st.integers(-(2**63), 2**63 - 1), st.text(alphabet="aé/ü≥"))
def test_a_position_is_read_back(text: str, number: int, other: str) -> None:
    assert read_cursor(write_cursor(text, number, other), str, int, str) == (text, number, other)
    assert read_cursor(write_cursor(number), int) == (number,)


@pytest.mark.parametrize("cursor", [None, ""])
def test_the_first_page_has_no_cursor(cursor: str | None) -> None:
    assert read_cursor(cursor, int, str) is None


def encoded(position: object) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(position)).decode().rstrip("=")


@pytest.mark.parametrize(
    "cursor",
    [
        "nonsense",
        "////",
        "é",
        "W10",
        encoded([1]),
        encoded(["a", 1]),
        encoded([1, "a", 2]),
        encoded([True, "a"]),
        encoded([1.0, "a"]),
        encoded([None, "a"]),
        encoded([2**63, "a"]),
        encoded([1, "a\x00"]),
        encoded({"1": "a"}),
        write_cursor(1, "a") + "!",
        base64.urlsafe_b64encode(b"[" * 10_000).decode(),
        base64.urlsafe_b64encode(b"[1" + b"0" * 400 + b', "a"]').decode(),
    ],
)
def test_what_is_not_ours_is_a_problem_that_names_the_field(cursor: str) -> None:
    with pytest.raises(Problem) as problem:
        read_cursor(cursor, int, str)
    assert problem.value.status == 422
    assert problem.value.detail.startswith("cursor: ")
    assert "next_cursor" in problem.value.detail


@given(st.text())
def test_no_cursor_at_all_breaks_the_reader(cursor: str) -> None:
    try:
        read_cursor(cursor, int, str)
    except Problem as problem:
        assert problem.status == 422
