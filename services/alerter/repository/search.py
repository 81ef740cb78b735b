"""Turns texts and search input into words for PostgreSQL's "simple" text search.

Words are folded as people type them: in lower case, and Latin, Greek and Cyrillic letters without accents, so that
``nao chegou`` finds "Não chegou". Folded here rather than by PostgreSQL's unaccent, an extension that not every server
has, and that may not be used in an index.

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


# Accents of Latin, Greek and Cyrillic letters; what Unicode does not take apart is below. Marks of other scripts, such
# as those that tell が from か, make another letter and stay.
_ACCENTS = re.compile("[\u0300-\u036f]")
_LETTERS = str.maketrans(
    {"æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ħ": "h", "ı": "i", "ß": "ss"}
)


def document(texts: Iterable[str]) -> str:
    """The input of ``to_tsvector('simple', …)``: the words of all texts, folded, separated by single spaces."""
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
    for match in _WORD.finditer(_folded(text)):
        found = match.group()
        yield list(found) if re.match(f"[{_IDEOGRAPHS}]", found) else [found]


def _folded(text: str) -> str:
    if text.isascii():
        return text.lower()
    apart = unicodedata.normalize("NFKD", text.lower()).translate(_LETTERS)
    return unicodedata.normalize("NFKC", _ACCENTS.sub("", apart)).lower()
