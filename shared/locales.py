"""Which of our languages a reader gets, and the texts of it."""

from collections.abc import Mapping
from pathlib import Path

import yaml

SUPPORTED = ("en", "pt", "ko", "zh", "nb")
_ALIASES = {"no": "nb", "nn": "nb"}


def resolve(locale: str | None, default: str = "en") -> str:
    """One of SUPPORTED for a locale such as ``pt-BR``, ``zh_TW`` or ``nn``; ``default`` for what we do not speak."""
    if locale:
        language = locale.replace("_", "-").split("-", 1)[0].lower()
        language = _ALIASES.get(language, language)
        if language in SUPPORTED:
            return language
    return default


def load_texts(directory: Path) -> Mapping[str, Mapping[str, str]]:
    """The texts of every language: ``<language>.yaml`` files of one level, each with the same keys.

    Raises ValueError naming file and key when a language lacks a text or has one too many.
    """
    texts: dict[str, dict[str, str]] = {}
    for language in SUPPORTED:
        path = directory / f"{language}.yaml"
        loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
        if not isinstance(loaded, dict):
            raise ValueError(f"{path}: must be a mapping of key to text")
        texts[language] = {str(key): str(text) for key, text in loaded.items()}
    expected = set(texts[SUPPORTED[0]])
    for language, entries in texts.items():
        if wrong := expected.symmetric_difference(entries):
            raise ValueError(f"{directory / language}.yaml: {sorted(wrong)[0]!r} is not in every language")
    return texts
