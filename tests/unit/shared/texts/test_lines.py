"""Whom we greet, and with what: no placeholder, no link, nothing that cannot be seen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.texts.lines import MAX_NAME, MAX_PRODUCT, clipped, given_name, one_line, product_name


@pytest.mark.parametrize(
    "name",
    [
        None, "", "  ", "null", "NULL", "(null)", "undefined", "undefined undefined", "null null", "None", "NaN", "N/A",
        "n/a", "n. a.", "-", "--", "—", ".", "?", "*", "0", "123", "\u200b", "\u200d", "\ufeff \u00ad", "unknown",
        "Guest", "anonymous", "not available", "no name", "{{ customer.first_name }}", "{name}", "%FIRSTNAME%",
        "[[name]]", "*|FNAME|*", "${name}", "win at www.example.com", "a@b.example", "http://x", "casino.example",
        "=?utf-8?b?aHR0cDovL2V4YW1wbGUuY29t?=", "Ana =?utf-8?q?x?=", "w\u200bww.example", "A" * (MAX_NAME + 1),
    ],
)  # fmt: skip
def test_what_is_no_name_is_not_greeted(name: str | None) -> None:
    assert given_name(name) == ""


@pytest.mark.parametrize(
    ("name", "greeted"),
    [
        ("Ana", "Ana"),
        ("  Ana\u200b  Souza ", "Ana Souza"),
        ("J. R. O'Neil", "J. R. O'Neil"),
        ("김민지", "김민지"),
        ("小明", "小明"),
        ("Øystein-André", "Øystein-André"),
        # Names that look like placeholders, and are people's.
        ("Nan", "Nan"),
        ("Nil", "Nil"),
        ("Na", "Na"),
        ("Nonette", "Nonette"),
        # Joined by a program that had no family name.
        ("Ana null", "Ana"),
        ("undefined Souza", "Souza"),
        # A joiner within a name belongs to its script.
        ("क्\u200dष", "क्\u200dष"),
    ],
)
def test_people_are_greeted_by_their_names(name: str, greeted: str) -> None:
    assert given_name(name) == greeted


@pytest.mark.parametrize("product", [None, "", "null", "undefined", "N/A", "-", "\u200b"])
def test_a_placeholder_is_no_product_either(product: str | None) -> None:
    assert product_name(product) == ""


@pytest.mark.parametrize("product", ["Wooden train", "7", "No. 5", "Unknown Pleasures", "USB-C → A, 2 m"])
def test_a_products_name_stays(product: str) -> None:
    assert product_name(product) == product


@given(st.text(max_size=200))
def test_a_name_is_short_visible_and_on_one_line(name: str) -> None:
    greeted = given_name(name)
    assert len(greeted) <= MAX_NAME and greeted == one_line(greeted) and "=?" not in greeted
    assert not greeted or any(character.isalpha() for character in greeted)
    assert len(product_name(name)) <= MAX_PRODUCT


def test_a_long_text_is_cut() -> None:
    assert clipped("a long name", 6) == "a lon…"
