"""Turns texts and search input into words for PostgreSQL's "simple" text search.

Chinese, Japanese and Korean do not always put spaces between words, so each of their characters counts as a word
here, and search input matches only the same characters in the same sequence.
"""

import re
import unicodedata
from collections.abc import Iterable

from services.alerter.domain.case_list import MAX_SEARCH

_MAX_WORDS = 12
_MAX_WORD_LENGTH = 60
_IDEOGRAPHS = "\u2e80-\u303f\u3040-\u30ff\u3130-\u318f\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
_WORD = re.compile(rf"[{_IDEOGRAPHS}]+|[^\W_{_IDEOGRAPHS}]+")


def document(texts: Iterable[str]) -> str:
    """The input of ``to_tsvector('simple', …)``: the words of all texts, in lower case, separated by single spaces."""
    return " ".join(word[:_MAX_WORD_LENGTH] for text in texts for run in _runs(text) for word in run)


def query(typed: str) -> str | None:
    """The input of ``to_tsquery('simple', …)``: every word must occur, the last of a run may be a prefix.

    None when the input contains nothing to search for.
    """
    conditions = []
    for run in _runs(typed[:MAX_SEARCH]):
        words = [word[:_MAX_WORD_LENGTH] for word in run]
        conditions.append(" <-> ".join([*words[:-1], f"{words[-1]}:*"]))
    return " & ".join(f"({condition})" for condition in conditions[:_MAX_WORDS]) or None


def _runs(text: str) -> Iterable[list[str]]:
    """Words, each a run of one; consecutive ideographs and syllables are one run of many."""
    for match in _WORD.finditer(unicodedata.normalize("NFKC", text).lower()):
        found = match.group()
        yield list(found) if re.match(f"[{_IDEOGRAPHS}]", found) else [found]
