"""Personal data is found as a whole, wherever a table or a record may have it, and nothing else is."""

import json
from typing import Any

import pytest

from tools.audit.traces import ADDRESS, COMMENT, ID, NAME, Detail, Search, comparable

EMAIL = Detail("c1", ADDRESS, "ana@x.example")
PHONE = Detail("c1", ADDRESS, "+55 11 99999-0000")
CALLED = Detail("c1", NAME, "ana lima")
WROTE = Detail("c1", COMMENT, 'it was "late", she said')
KNOWN_AS = Detail("c1", ID, "42")
SEARCH = Search([EMAIL, PHONE, CALLED, WROTE, KNOWN_AS])


@pytest.mark.parametrize(
    ("document", "found"),
    [
        ({"address": "ana@x.example"}, EMAIL),
        ({"address": " Ana@X.Example "}, EMAIL),
        ({"note": "Wrote to ana@x.example, and (again) on Monday."}, EMAIL),
        ({"note": "From: Ana <ana@x.example>"}, EMAIL),
        ({"note": "It was ana@x.example."}, EMAIL),
        ({"link": "mailto:ana@x.example?subject=hello"}, None),
        ({"ana@x.example": 1}, None),
        ({"phone": "+55 11 99999-0000"}, PHONE),
        ({"details": {"name": [17, "Ana Lima"]}}, CALLED),
        ({"recipient": {"name": "ana lima"}}, CALLED),
        ({"segment": "Ana Lima"}, None),
        ({"comment": 'It was "late", she said'}, WROTE),
        ({"details": {"comment": 'It was "late", she said'}}, WROTE),
        ({"customer_id": "42"}, KNOWN_AS),
        ({"order_id": "42"}, None),
        ({"customer_id": 42}, None),
        ({"body": json.dumps({"customer_id": "42"})}, KNOWN_AS),
        ({"address": "dana@x.example"}, None),
        ({"address": "ana@x.example.org"}, None),
        ({"address": "ana@x.examples"}, None),
        ({"address": "ana@x"}, None),
        ({"name": "Ana"}, None),
        ({}, None),
    ],
    ids=str,
)
def test_what_is_found(document: dict[str, Any], found: Detail | None) -> None:
    for text in (json.dumps(document), json.dumps(document, ensure_ascii=False, indent=1)):
        assert SEARCH.found_in(text) == (set() if found is None else {found})


def test_letters_are_found_however_json_writes_them() -> None:
    search = Search([Detail("c1", NAME, comparable("Ana São"))])
    assert search.found_in('{"name": "Ana S\\u00e3o"}')
    assert search.found_in('{"name": "Ana São"}')


def test_what_two_erased_customers_share_is_found_for_both() -> None:
    both = {EMAIL, EMAIL._replace(customer_id="c2")}
    assert Search(both).found_in('["ana@x.example"]') == both


def test_broken_json_is_searched_as_far_as_it_goes() -> None:
    assert SEARCH.found_in('{"address": "ana@x.example", "x": "\\ud800", "y') == {EMAIL}
    assert SEARCH.found_in('"\\q" "ana@x.example"') == {EMAIL}
