"""Turning texts and what staff type into words PostgreSQL's "simple" text search compares.

Chinese, Japanese and Korean are written without spaces between words, so each of their characters counts as a word
there, and those that are typed must follow one another in the same order.
"""

import re
import unicodedata
from collections.abc import Iterable

_MAX_QUERY_LENGTH = 200
_MAX_WORDS = 12
_MAX_WORD_LENGTH = 60
_IDEOGRAPHS = "\u2e80-\u303f\u3040-\u30ff\u3130-\u318f\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
_WORD = re.compile(rf"[{_IDEOGRAPHS}]+|[^\W_{_IDEOGRAPHS}]+")


def document(texts: Iterable[str]) -> str:
    """What to store for ``to_tsvector('simple', …)``: the words of all texts, lower case, single spaces between."""
    return " ".join(word[:_MAX_WORD_LENGTH] for text in texts for run in _runs(text) for word in run)


def query(typed: str) -> str | None:
    """What to give ``to_tsquery('simple', …)``: every word must occur, the last of a run may be a prefix.

    None when nothing that was typed can be searched for.
    """
    conditions = []
    for run in _runs(typed[:_MAX_QUERY_LENGTH]):
        words = [word[:_MAX_WORD_LENGTH] for word in run]
        conditions.append(" <-> ".join([*words[:-1], f"{words[-1]}:*"]))
    return " & ".join(f"({condition})" for condition in conditions[:_MAX_WORDS]) or None


def _runs(text: str) -> Iterable[list[str]]:
    """Words, each a run of one; ideographs and syllables that stand together are one run of many."""
    for match in _WORD.finditer(unicodedata.normalize("NFKC", text).lower()):
        found = match.group()
        yield list(found) if re.match(f"[{_IDEOGRAPHS}]", found) else [found]
