"""Maps a locale to a supported language."""

SUPPORTED = ("en", "pt", "ko", "zh", "nb")
_ALIASES = {"no": "nb", "nn": "nb"}


def resolve(locale: str | None, *, default: str = "en") -> str:
    """One of SUPPORTED for a locale such as ``pt-BR``, ``zh_TW`` or ``nn``; ``default`` for any other language."""
    if locale:
        language = locale.replace("_", "-").split("-", 1)[0].lower()
        language = _ALIASES.get(language, language)
        if language in SUPPORTED:
            return language
    return default
