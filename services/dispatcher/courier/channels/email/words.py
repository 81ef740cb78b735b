"""The words of a survey email, for this customer and this order."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from shared.contracts.campaigns import CampaignPublished
from shared.contracts.sends import SurveySent
from shared.texts.lines import given_name, one_line, product_name
from shared.texts.words import Texts, filled, own_text, question_of, subject_of, survey_language

MAIL_TEXTS = Path(__file__).parent / "texts"
"""The folder of the texts specific to the email."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """Every text of one email, filled in, each on one line."""

    language: str
    brand: str
    subject: str
    introduction: str
    question: str
    least_likely: str
    most_likely: str
    why: str
    unsubscribe: str


def wording(survey: SurveySent, campaign: CampaignPublished, texts: Texts) -> Wording:
    """The texts for ``survey``: field by field the campaign's, or else ours; ``texts`` are ours by language."""
    language = survey_language(survey.locale, default_locale=campaign.default_locale)
    ours = texts[language]
    name, product = given_name(survey.recipient.name), product_name(survey.product)
    subject_of_question = subject_of(campaign)

    def own(field: Literal["subject", "introduction"]) -> str | None:
        return own_text(campaign.texts, field, language=language, locale=survey.locale)

    def line(text: str) -> str:
        return one_line(filled(text, brand=campaign.brand.name, product=product or ours["unnamed_product"], name=name))

    subject = own("subject")
    if not subject:
        named = bool(product) or subject_of_question != "product"
        subject = ours[f"subject_{subject_of_question}" if named else "subject_product_unnamed"]
    introduction = own("introduction")
    if not introduction or ("{name}" in introduction and not name):
        if name:
            introduction = ours["greeting"] + ours[f"introduction_{subject_of_question}"]
        else:
            introduction = ours[f"introduction_{subject_of_question}_unnamed"]
    return Wording(
        language=language,
        brand=one_line(campaign.brand.name),
        subject=line(subject),
        introduction=line(introduction),
        question=line(question_of(campaign, ours, language=language, locale=survey.locale)),
        least_likely=ours["least_likely"],
        most_likely=ours["most_likely"],
        why=line(ours["why"]),
        unsubscribe=ours["unsubscribe"],
    )
