"""Which language a page is in, and that every text of it is there and filled."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.collector.domain.languages import campaign_text, direction_of, filled, language_of
from services.collector.web.words import Wording
from shared.contracts.campaigns import Brand, CampaignPublished, CampaignTexts
from shared.locales import SUPPORTED


@pytest.mark.parametrize(
    ("asked", "survey", "accepted", "language"),
    [
        (None, "pt-BR", "ko,en;q=0.5", "pt"),
        ("ko", "pt-BR", None, "ko"),
        ("xx", "nn-NO", None, "nb"),
        (None, "fr", "fr;q=0.9, zh-TW;q=0.8, de", "zh"),
        (None, "fr", "*", "en"),
        (None, None, "en;q=0, ko;q=0.1", "ko"),
        (None, None, "en;Q=0.1, ko; q=0.2", "ko"),
        (None, None, "pt;q=high, nb;q=2, zh", "zh"),
        (None, None, None, "en"),
        ("../../etc", "", ";;;,,q=", "en"),
    ],
)
def test_the_readers_language(asked: str | None, survey: str | None, accepted: str | None, language: str) -> None:
    assert language_of(asked, survey, accepted) == language


@given(st.text(), st.text(), st.text())
def test_any_header_gives_a_language(asked: str, survey: str, accepted: str) -> None:
    assert language_of(asked, survey, accepted) in SUPPORTED


def campaign(**texts: CampaignTexts) -> CampaignPublished:
    named = {name.replace("_", "-"): text for name, text in texts.items()}
    return CampaignPublished(campaign="c", campaign_version=1, brand=Brand(name="Shop"), texts=named)


def test_the_campaigns_own_words_come_first_and_the_nearest_of_them() -> None:
    both = campaign(pt=CampaignTexts(question="de?"), pt_BR=CampaignTexts(question="br?"))
    assert campaign_text(both, "question", "pt", "pt-BR") == "br?"
    assert campaign_text(both, "question", "pt", "pt-PT") == "de?"
    assert campaign_text(both, "question", "en", "pt-BR") is None
    assert campaign_text(campaign(pt_BR=CampaignTexts(question="br?")), "question", "pt", "pt") == "br?"
    assert campaign_text(both, "follow_up_passive", "pt", "pt") is None
    assert campaign_text(None, "question", "pt", "pt") is None


def test_what_is_filled_in_is_not_looked_at_again() -> None:
    text = filled("{name}: {product} by {brand} {other}", brand="B", product="{brand}", name="{product}")
    assert text == "{product}: {brand} by B {other}"


def test_a_greeting_without_a_name_closes_up() -> None:
    assert filled("Hello {name}, thanks", brand="", product="", name="") == "Hello, thanks"


@pytest.mark.parametrize("language", SUPPORTED)
def test_every_language_says_everything(language: str) -> None:
    words = Wording().words(language, Brand(name="Lumen"))
    assert all(text.strip() for text in words.values())
    left = {found for text in words.values() for found in re.findall(r"\{\w*\}", text)}
    assert left <= {"{score}", "{limit}", "{date}"}


@pytest.mark.parametrize("key", sorted(Wording().words("en", Brand(name="Lumen"))))
def test_placeholders_are_the_same_in_every_language(key: str) -> None:
    wording = Wording()
    raw = {language: wording._texts[language][key] for language in SUPPORTED}
    placeholders = {language: sorted(re.findall(r"\{\w+\}", text)) for language, text in raw.items()}
    assert len({tuple(found) for found in placeholders.values()}) == 1, placeholders


def test_directions() -> None:
    assert direction_of("en") == "ltr"
    assert direction_of("ar") == "rtl"
