"""What mail programs leave of a link's score.

The score is written ``?score=10`` behind the token. Text that was decoded as quoted-printable once too often has a
control character for ``=10``; text that was decoded once too seldom has ``=3D`` for ``=``; a ``?`` may have been
encoded; and what stood behind the link may have become a part of it.
"""

import re
from urllib.parse import unquote

_WRITTEN_SCORE = re.compile(
    r"(?:^|[?&;\s]) score (?: \x10 | (?: [\s=] | 3d )+ (?P<number> 10 | [0-9]) (?! [.,e]?[0-9]) )",
    re.IGNORECASE | re.VERBOSE,
)
_LONGEST_READ = 2_000
# What is encoded once, or once again.
_LAYERS = 2


def score_in_link(link: str) -> int | None:
    """The score in a link's path and query, which may be damaged; None when there is none, or another number."""
    read = link[:_LONGEST_READ]
    for _ in range(_LAYERS):
        read = unquote(read)
    found = _WRITTEN_SCORE.search(read)
    if found is None:
        return None
    # Of the scores from 0 to 10, only "=10" is a character in quoted-printable (RFC 2045 §6.7).
    return int(found["number"] or 10)
