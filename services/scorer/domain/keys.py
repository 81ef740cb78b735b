"""The keys under which answers and surveys are stored."""

import re
from uuid import UUID, uuid5

_CANONICAL = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").fullmatch
_OTHER_IDS = UUID("0b1d6a0e-9f3b-5b7c-8a54-2f4f5d0c9e11")


def key_of(identifier: str) -> str:
    """The UUID an answer or send is stored under: its id where that is a canonical UUID, else one derived from it.

    A UUID takes 16 bytes in the index where a free-form id takes up to 200. Non-canonical spellings are distinct ids.
    """
    return identifier if _CANONICAL(identifier) else str(uuid5(_OTHER_IDS, identifier))
