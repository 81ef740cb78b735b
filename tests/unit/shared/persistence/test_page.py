"""A page knows whether another follows, and where that one begins."""

import pytest

from shared.persistence.page import Page


@pytest.mark.parametrize(
    ("rows", "entries", "last"), [("", "", None), ("ab", "ab", None), ("abc", "abc", None), ("abcd", "abc", "c")]
)
def test_one_row_more_than_shown_tells_that_another_page_follows(rows: str, entries: str, last: str | None) -> None:
    assert Page.rows_to_read(3) == 4
    page = Page.of(rows, 3)
    assert ("".join(page.entries), page.last) == (entries, last)
