"""Searches texts for what is known about erased customers: names, addresses, comments and ids, each as a whole.

A text is read once, whatever is searched for: the values of its JSON are looked up, and the words in them that look
like addresses. So an address that is part of another is not mistaken for it, and a name is found only where a name is.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple

import orjson

_VALUE = re.compile(r'"((?:[^"\\]|\\.)*)"(\s*:)?')
"""A string of a JSON text, and whether it is the name of a field."""
_PART = r"[^\s\"'<>(),;:=/|\[\]{}\\@]"
_ADDRESS = re.compile(rf"{_PART}+@{_PART}*(?!\.){_PART}")

ADDRESS, NAME, COMMENT, ID = "an address", "the name", "a comment", "the id"
"""The kinds of personal data, as they are named in a difference."""
_FIELD_OF_KIND = {NAME: "name", ID: "customer_id"}
"""A name is only looked for in fields that hold one, and so is an id; the rest is looked for everywhere."""


class Detail(NamedTuple):
    """Something personal about a customer; ``text`` is as ``comparable`` returns it."""

    customer_id: str
    kind: str
    text: str


def comparable(text: str) -> str:
    return text.strip().lower()


class Search:
    """Finds these details in JSON texts."""

    def __init__(self, details: Iterable[Detail] = ()) -> None:
        self._by_text: defaultdict[str, set[Detail]] = defaultdict(set)
        self.add(details)

    def __bool__(self) -> bool:
        return bool(self._by_text)

    def add(self, details: Iterable[Detail]) -> None:
        for detail in details:
            if detail.text:
                self._by_text[detail.text].add(detail)

    def found_in(self, document: str) -> set[Detail]:
        """The details in a JSON text."""
        found: set[Detail] = set()
        for field, value in _values(document):
            for detail in self._by_text.get(value, ()):
                if _FIELD_OF_KIND.get(detail.kind, field) == field:
                    found.add(detail)
            if "@" in value:
                for address in _ADDRESS.findall(value):
                    found |= {detail for detail in self._by_text.get(address, ()) if detail.kind == ADDRESS}
        return found


def _values(document: str) -> Iterator[tuple[str, str]]:
    """Each text in a JSON text, comparable, with the innermost field it is in."""
    try:
        yield from _texts("", orjson.loads(document))
    except orjson.JSONDecodeError:
        yield from _texts_of_broken(document)


def _texts(field: str, value: Any) -> Iterator[tuple[str, str]]:
    left = [(field, value)]
    while left:
        field, value = left.pop()
        if isinstance(value, str):
            yield field, comparable(value)
            if value[:1] in ("{", "["):
                # A column of text may hold JSON itself.
                yield from _values(value)
        elif isinstance(value, dict):
            left += value.items()
        elif isinstance(value, list):
            left += [(field, each) for each in value]


def _texts_of_broken(document: str) -> Iterator[tuple[str, str]]:
    """The same of a text that is not quite JSON, as far as it goes."""
    field = ""
    for match in _VALUE.finditer(document):
        written, names_a_field = match.group(1), match.group(2) is not None
        if "\\" in written:
            with suppress(ValueError):
                written = json.loads(f'"{written}"', strict=False)
        if names_a_field:
            field = written
        else:
            yield field, comparable(written)
