"""Maps a locale to a supported language."""

import re

SUPPORTED = ("en", "pt", "ko", "zh", "zh-Hant", "nb")
"""``zh`` is Chinese in simplified characters, ``zh-Hant`` in traditional ones: nobody gets the other script unasked."""

_ALIASES = {"no": "nb", "nn": "nb", "cmn": "zh", "yue": "zh"}
_SEPARATORS = re.compile(r"[-_.@]")
# Scripts by ISO 15924, and as Windows named them.
_TRADITIONAL = {"hant", "cht"}
_SIMPLIFIED = {"hans", "chs"}
# CLDR's likely subtags: these write traditional characters, unless a locale says otherwise.
_TRADITIONAL_REGIONS = {"tw", "hk", "mo"}


def resolve(locale: str | None, *, default: str = "en") -> str:
    """One of SUPPORTED for a locale such as ``pt-BR``, ``zh_TW`` or ``nn``; ``default`` for any other language."""
    if not locale:
        return default
    first, *subtags = _SEPARATORS.split(locale.strip().lower())
    language = _ALIASES.get(first, first)
    if language == "zh" and _is_traditional(first, set(subtags)):
        return "zh-Hant"
    return language if language in SUPPORTED else default


def _is_traditional(language: str, subtags: set[str]) -> bool:
    if subtags & (_TRADITIONAL | _SIMPLIFIED):
        return bool(subtags & _TRADITIONAL)
    return bool(subtags & _TRADITIONAL_REGIONS) or (language == "yue" and "cn" not in subtags)
