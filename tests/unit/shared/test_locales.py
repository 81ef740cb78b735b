"""Every reader gets one of our languages, and every language has every text."""

from pathlib import Path

import pytest

from shared.locales import SUPPORTED, load_texts, resolve


@pytest.mark.parametrize(
    ("locale", "language"),
    [
        ("pt-BR", "pt"),
        ("zh_TW", "zh"),
        ("no", "nb"),
        ("nn-NO", "nb"),
        ("KO", "ko"),
        ("fr-FR", "en"),
        ("", "en"),
        (None, "en"),
    ],
)
def test_a_locale_becomes_a_language_we_speak(locale: str | None, language: str) -> None:
    assert resolve(locale) == language


def test_the_default_is_the_campaigns() -> None:
    assert resolve("fr", "pt") == "pt"


def test_a_text_missing_in_one_language_is_named(tmp_path: Path) -> None:
    for language in SUPPORTED:
        (tmp_path / f"{language}.yaml").write_text("hello: hi\nbye: bye\n" if language != "ko" else "hello: hi\n")
    with pytest.raises(ValueError, match=r"ko\.yaml: 'bye' is not in every language"):
        load_texts(tmp_path)


@pytest.mark.parametrize("folder", sorted(Path(__file__).parents[3].glob("s*/**/texts")), ids=str)
def test_our_own_texts_are_complete(folder: Path) -> None:
    assert set(load_texts(folder)) == set(SUPPORTED)
