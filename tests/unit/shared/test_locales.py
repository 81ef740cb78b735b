"""Every reader gets one of our languages."""

import pytest

from shared.locales import resolve


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
    assert resolve("fr", default="pt") == "pt"
