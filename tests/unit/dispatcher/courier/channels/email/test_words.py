"""What the email says: the campaign's texts, whom it greets, and what a name or product cannot do to it."""

import json

import pytest

from services.dispatcher.courier.channels.email.words import wording
from shared.contracts.campaigns import CampaignPublished, CampaignTexts
from shared.persistence.stored import read_stored
from tests.unit.dispatcher.courier.channels.email.kit import TEXTS, campaign, mail, part, survey


@pytest.mark.parametrize(
    "name",
    [
        "http://evil.test", "win www.evil.test", "ana@example.com", "evil.com/now", "A" * 61,
        "visit evil.com today", "скидки на сайт.рф", "evil.com.",
    ],
)  # fmt: skip
def test_what_is_no_name_is_not_greeted(name: str) -> None:
    words, message = mail(survey(name=name), campaign())
    assert words.introduction == TEXTS["en"]["introduction_service_unnamed"]
    assert name not in part(message, "html") and message["To"] == "ana@example.com"


@pytest.mark.parametrize("name", ["Ana M. Souza", "J. R. R. Tolkien", "O'Neil-Sørensen", "김민지", "王 小明", "Zoë"])
def test_what_is_a_name_is_greeted(name: str) -> None:
    words, _ = mail(survey(name=name), campaign())
    assert words.introduction.startswith(f"Hi {name}, ")


def test_a_name_does_not_turn_the_text_around() -> None:
    words, message = mail(survey(name="\u202eanA\u2066"), campaign())
    assert words.introduction.startswith("Hi anA, ")
    assert not set("\u202e\u2066") & set(part(message, "html") + part(message, "plain") + str(message["To"]))


def test_a_campaigns_own_texts_go_first_and_hearbacks_fill_the_gaps() -> None:
    texts = {"pt-BR": CampaignTexts(question="Recomendaria {brand}, {name}?", introduction="Oi, {name}.")}
    words = wording(survey(locale="pt"), campaign(texts=texts), TEXTS)
    assert words.question == "Recomendaria Fjord & Fell, Ana?"
    assert words.introduction == "Oi, Ana."
    assert words.subject == "Como foi o seu pedido em Fjord & Fell?"
    nameless = wording(survey(locale="pt", name=None), campaign(texts=texts), TEXTS)
    assert nameless.introduction == TEXTS["pt"]["introduction_service_unnamed"]
    assert wording(survey(locale="ko"), campaign(texts=texts), TEXTS).language == "ko"


def test_a_campaigns_texts_for_a_region_and_for_its_language_complete_each_other() -> None:
    """As on the survey page: each field by itself, the exact locale's first."""
    texts = {
        "pt": CampaignTexts(subject="Como foi, na {brand}?", question="Recomendaria {brand}?"),
        "pt-BR": CampaignTexts(introduction="Oi, {name}!", question="Você indicaria {brand}?"),
    }
    words = wording(survey(locale="pt-BR"), campaign(texts=texts), TEXTS)
    assert words.introduction == "Oi, Ana!"
    assert words.question == "Você indicaria Fjord & Fell?"
    assert words.subject == "Como foi, na Fjord & Fell?"
    elsewhere = wording(survey(locale="pt-PT"), campaign(texts=texts), TEXTS)
    assert elsewhere.question == "Recomendaria Fjord & Fell?"
    assert elsewhere.introduction == "Oi, Ana!"


def test_a_brace_in_a_value_is_not_filled_again() -> None:
    words = wording(survey(product="{brand} {name}"), campaign("product"), TEXTS)
    assert "{brand} {name}" in words.question


def test_a_long_product_is_cut() -> None:
    words = wording(survey(product="Train " * 60), campaign("product"), TEXTS)
    assert "Train…" in words.question and len(words.question) < 150


def test_a_campaign_in_a_language_of_its_own_keeps_its_words() -> None:
    """We have no French texts; a shop that wrote its own in French is not answered in English."""
    french = campaign(texts={"fr": CampaignTexts(question="Recommanderiez-vous {brand} ?")})
    assert wording(survey(locale="fr"), french, TEXTS).question == "Recommanderiez-vous Fjord & Fell ?"


def test_a_question_about_what_only_a_newer_release_knows_is_about_the_brand() -> None:
    written = json.loads(campaign().model_dump_json()) | {"subject_of_question": "mood"}
    newer = read_stored(CampaignPublished, json.dumps(written))
    assert wording(survey(), newer, TEXTS) == wording(survey(), campaign("brand"), TEXTS)
