"""Turning texts and what staff type into words PostgreSQL's "simple" text search compares.

Chinese, Japanese and Korean write without spaces between what one would look for, so each of their characters counts
as a word there, and what is typed must follow one another in the same order.
"""

import re
import unicodedata
from collections.abc import Iterable

_LONGEST_QUERY = 200
_MOST_WORDS = 12
_LONGEST_WORD = 60
_IDEOGRAPHS = "\u2e80-\u303f\u3040-\u30ff\u3130-\u318f\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
_WORD = re.compile(rf"[{_IDEOGRAPHS}]+|[^\W_{_IDEOGRAPHS}]+")


def document(texts: Iterable[str]) -> str:
    """The words of all texts, in lower case, single spaces between them."""
    return " ".join(word[:_LONGEST_WORD] for text in texts for run in _runs(text) for word in run)


def query(typed: str) -> str | None:
    """What to give ``to_tsquery('simple', …)``: every word must occur, the last of a run may be a beginning.

    None when nothing that was typed can be looked for.
    """
    conditions = []
    for run in _runs(typed[:_LONGEST_QUERY]):
        words = [word[:_LONGEST_WORD] for word in run]
        conditions.append(" <-> ".join([*words[:-1], f"{words[-1]}:*"]))
    return " & ".join(f"({condition})" for condition in conditions[:_MOST_WORDS]) or None


def _runs(text: str) -> Iterable[list[str]]:
    """Words, each a run of one; ideographs and syllables that stand together are one run of many."""
    for match in _WORD.finditer(unicodedata.normalize("NFKC", text).lower()):
        found = match.group()
        yield list(found) if re.match(f"[{_IDEOGRAPHS}]", found) else [found]
