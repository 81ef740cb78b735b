"""Every reader gets one of our languages."""

import pytest

from shared.locales import SUPPORTED, resolve


@pytest.mark.parametrize(
    ("locale", "language"),
    [
        ("pt-BR", "pt"),
        ("zh", "zh"),
        ("zh-CN", "zh"),
        ("zh_CN.UTF-8", "zh"),
        ("zh-SG", "zh"),
        ("zh-Hans-HK", "zh"),
        ("zh-CHS", "zh"),
        ("zh_TW", "zh-Hant"),
        ("zh-TW", "zh-Hant"),
        ("zh_TW.Big5", "zh-Hant"),
        ("zh-HK", "zh-Hant"),
        ("zh-MO", "zh-Hant"),
        ("zh-Hant", "zh-Hant"),
        ("zh-Hant-HK", "zh-Hant"),
        ("ZH-HANT-CN", "zh-Hant"),
        ("zh-CHT", "zh-Hant"),
        ("cmn-Hant-TW", "zh-Hant"),
        ("yue-HK", "zh-Hant"),
        ("yue", "zh-Hant"),
        ("yue-CN", "zh"),
        ("pt_BR.UTF-8", "pt"),
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


@pytest.mark.parametrize("language", SUPPORTED)
def test_a_language_we_speak_is_its_own(language: str) -> None:
    assert resolve(language) == language


def test_the_default_is_the_campaigns() -> None:
    assert resolve("fr", default="pt") == "pt"
