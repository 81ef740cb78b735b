"""Every language has every text, and a campaign's own words go before ours, field by field."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.campaigns import CampaignTexts
from shared.locales import SUPPORTED
from shared.texts.words import COMMON, filled, load_texts, own_text


def test_a_text_missing_in_one_language_is_named(tmp_path: Path) -> None:
    for language in SUPPORTED:
        (tmp_path / f"{language}.yaml").write_text("hello: hi\nbye: bye\n" if language != "ko" else "hello: hi\n")
    with pytest.raises(ValueError, match=r"ko\.yaml: 'bye' is not in every language"):
        load_texts(tmp_path)


@pytest.mark.parametrize("folder", sorted(Path(__file__).parents[4].glob("s*/**/texts")), ids=str)
def test_our_own_texts_are_complete(folder: Path) -> None:
    assert set(load_texts(folder)) == set(SUPPORTED)


def test_the_texts_of_a_later_folder_go_before_those_of_an_earlier(tmp_path: Path) -> None:
    for language in SUPPORTED:
        (tmp_path / f"{language}.yaml").write_text(f"unnamed_product: it ({language})\nhello: hi\n")
    common, both = load_texts(COMMON), load_texts(COMMON, tmp_path)
    assert both["pt"] == {**common["pt"], "unnamed_product": "it (pt)", "hello": "hi"}


OWN = {
    "pt": CampaignTexts(question="pt?", introduction="olá"),
    "pt-BR": CampaignTexts(question="br?"),
    "no": CampaignTexts(question="no?"),
    "nb-NO": CampaignTexts(question="nb-NO?", subject="emne"),
    "fr": CampaignTexts(question="fr?"),
    "zh-HK": CampaignTexts(question="推薦嗎？"),
    "zh-CN": CampaignTexts(introduction="你好"),
}


@pytest.mark.parametrize(
    ("field", "language", "locale", "text"),
    [
        ("question", "pt", "pt-BR", "br?"),
        ("question", "pt", "pt", "pt?"),
        ("question", "pt", "pt-PT", "pt?"),
        ("question", "pt", None, "pt?"),
        # Each field by itself: Brazil has a question of its own, and greets as Portugal does.
        ("introduction", "pt", "pt-BR", "olá"),
        ("subject", "pt", "pt-BR", None),
        # Nobody wrote "nb": another name of the language, the first in order that has the field.
        ("question", "nb", "nn-NO", "nb-NO?"),
        ("question", "nb", "no", "no?"),
        ("subject", "nb", "no", "emne"),
        # A reader who chose another language than their locale's.
        ("question", "en", "pt-BR", None),
        # A locale we have no texts in: the campaign's own words are the only ones its customers understand.
        ("question", "en", "fr", "fr?"),
        ("question", "ko", None, None),
        # Another region's words, never another script's.
        ("question", "zh-Hant", "zh-TW", "推薦嗎？"),
        ("introduction", "zh-Hant", "zh-TW", None),
        ("question", "zh", "zh-CN", None),
        ("introduction", "zh", "zh-SG", "你好"),
    ],
)
def test_the_nearest_of_a_campaigns_own_words(field: str, language: str, locale: str | None, text: str | None) -> None:
    assert own_text(OWN, field, language=language, locale=locale) == text  # type: ignore[arg-type]  # a literal's values


def test_an_empty_text_is_none() -> None:
    texts = {"pt-BR": CampaignTexts(question=""), "pt": CampaignTexts(question="pt?")}
    assert own_text(texts, "question", language="pt", locale="pt-BR") == "pt?"


def test_what_is_filled_in_is_not_looked_at_again() -> None:
    text = filled("{name}: {product} by {brand} {other}", brand="B", product="{brand}", name="{product}")
    assert text == "{product}: {brand} by B {other}"


@given(st.text(), st.text(), st.text())
def test_a_value_is_put_in_as_it_is(brand: str, product: str, name: str) -> None:
    text = filled("a {brand} b {product} c {name} d", brand=brand, product=product, name=name)
    parts = zip("abc", (brand, product, name), strict=True)
    assert text == "".join(f"{letter} {value} " if value else f"{letter} " for letter, value in parts) + "d"


def test_a_greeting_without_a_name_closes_up() -> None:
    assert filled("Hello {name}, thanks", brand="", product="", name="") == "Hello, thanks"
