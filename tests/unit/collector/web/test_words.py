"""What a page says: every text is there in every language, and a campaign's own words come first."""

import re
from datetime import UTC, datetime

import pytest

from services.collector.domain.surveys import Send, Survey
from services.collector.web.words import FOLDER, Words
from shared.contracts.campaigns import Brand, CampaignPublished, CampaignTexts, SubjectOfQuestion
from shared.locales import SUPPORTED
from shared.texts.words import COMMON, load_texts

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
BRAND = Brand(name="Lumen")
WORDS = Words()
KEYS = sorted(WORDS.of_page("en", BRAND))


def survey(
    locale: str, campaign: CampaignPublished | None, product: str | None = None, name: str | None = None
) -> Survey:
    send = Send(
        send_id="s-1", campaign="c", campaign_version=1, channel="email", locale=locale, customer_id="c-42",
        address="ana@example.com", name=name, order_id=None, product=product, segments={}, sent_at=NOON,
        expires_at=NOON, erased_at=None,
    )  # fmt: skip
    return Survey(send, campaign, None)


def campaign(subject: SubjectOfQuestion = "brand", **texts: CampaignTexts) -> CampaignPublished:
    named = {name.replace("_", "-"): text for name, text in texts.items()}
    return CampaignPublished(campaign="c", campaign_version=1, subject_of_question=subject, brand=BRAND, texts=named)


def question(campaign: CampaignPublished | None, language: str, locale: str) -> str:
    return WORDS.of_page(language, BRAND, survey(locale, campaign))["question"]


def test_the_campaigns_own_words_come_first_and_the_nearest_of_them() -> None:
    both = campaign(pt=CampaignTexts(question="de?"), pt_BR=CampaignTexts(question="br?"))
    assert question(both, "pt", "pt-BR") == "br?"
    assert question(both, "pt", "pt-PT") == "de?"
    ours = WORDS.of_page("en", BRAND)["question_brand"]
    assert question(both, "en", "pt-BR") == ours
    assert question(campaign(pt_BR=CampaignTexts(question="br?")), "pt", "pt") == "br?"
    assert question(None, "pt", "pt") == WORDS.of_page("pt", BRAND)["question_brand"]
    words = WORDS.of_page("pt", BRAND, survey("pt", both), 7)
    assert words["follow_up"] == WORDS.of_page("pt", BRAND)["follow_up_passive"]


@pytest.mark.parametrize(("score", "group"), [(6, "detractor"), (8, "passive"), (9, "promoter")])
def test_the_score_decides_what_is_asked_next_and_how_we_thank(score: int, group: str) -> None:
    own = campaign(en=CampaignTexts(**{f"follow_up_{group}": "Why {brand}?"}))
    words = WORDS.of_page("en", BRAND, survey("en", own), score)
    assert (words["follow_up"], words["thanks"]) == ("Why Lumen?", words[f"thanks_{group}"])


def test_a_question_about_a_product_names_it() -> None:
    asked = campaign("product")
    assert "recommend Brass lamp" in WORDS.of_page("en", BRAND, survey("en", asked, "Brass lamp"))["question"]
    assert "recommend the product you bought" in WORDS.of_page("en", BRAND, survey("en", asked))["question"]


def test_names_and_products_are_shown_as_in_the_mail() -> None:
    greeting = campaign("product", en=CampaignTexts(question="Hello {name}, would you recommend {product}?"))
    shown = WORDS.of_page("en", BRAND, survey("en", greeting, "P" * 80, "Win at evil.com"))["question"]
    assert shown == f"Hello, would you recommend {'P' * 59}…?"


@pytest.mark.parametrize("language", SUPPORTED)
def test_every_language_says_everything(language: str) -> None:
    words = WORDS.of_page(language, BRAND)
    assert all(text.strip() for text in words.values())
    left = {found for text in words.values() for found in re.findall(r"\{\w*\}", text)}
    assert left <= {"{score}", "{limit}", "{date}"}


@pytest.mark.parametrize("key", KEYS)
def test_placeholders_are_the_same_in_every_language(key: str) -> None:
    texts = load_texts(COMMON, FOLDER)
    placeholders = {language: sorted(re.findall(r"\{\w+\}", texts[language][key])) for language in SUPPORTED}
    assert len({tuple(found) for found in placeholders.values()}) == 1, placeholders
