"""What a survey e-mail says to this person about this order: the campaign's texts first, Hearback's own otherwise."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from shared.contracts.campaigns import CampaignPublished, CampaignTexts
from shared.contracts.sends import SurveySent
from shared.locales import resolve

Texts = Mapping[str, Mapping[str, str]]
"""Language to key to text, as ``shared.texts.words.load_texts`` returns them."""

LONGEST_NAME = 60
LONGEST_PRODUCT = 60

_PLACEHOLDER = re.compile(r"\{(brand|product|name)\}")
_BLANKS = re.compile(r"[\s\x00-\x1f\x7f\u2028\u2029]+")
# Somebody who orders in a victim's name could have us deliver their advertisement as a greeting.
# Mail programs make a link of anything with a dot between letters.
_NOT_A_NAME = re.compile(r"[@<>]|://|www\.|\.[^\W\d_]{2,}", re.IGNORECASE)
# These turn around what is written after them; no language we write in needs them.
_DIRECTIONS = re.compile("[\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class Wording:
    """Every text of one e-mail, filled in, each on one line."""

    language: str
    brand: str
    subject: str
    introduction: str
    question: str
    least_likely: str
    most_likely: str
    why: str
    unsubscribe: str


def wording(survey: SurveySent, campaign: CampaignPublished, common: Texts, mail: Texts) -> Wording:
    """The texts for ``survey``. ``common`` are those every channel shares, ``mail`` those of the e-mail alone."""
    language = resolve(survey.locale, resolve(campaign.default_locale))
    texts = {**common[language], **mail[language]}
    own = _texts_for(campaign.texts, survey.locale, language) or CampaignTexts()
    subject_of_question = campaign.subject_of_question
    name, product = given_name(survey.recipient.name), clipped(survey.product, LONGEST_PRODUCT)

    if product or subject_of_question != "product":
        subject = texts[f"subject_{subject_of_question}"]
    else:
        subject = texts["subject_product_unnamed"]
    if name:
        introduction = texts["greeting"] + texts[f"introduction_{subject_of_question}"]
    else:
        introduction = texts[f"introduction_{subject_of_question}_unnamed"]
    if own.introduction and (name or "{name}" not in own.introduction):
        introduction = own.introduction

    values = {"brand": campaign.brand.name, "product": product or texts["unnamed_product"], "name": name or ""}
    return Wording(
        language=language,
        brand=one_line(campaign.brand.name),
        subject=fill(own.subject or subject, values),
        introduction=fill(introduction, values),
        question=fill(own.question or texts[f"question_{subject_of_question}"], values),
        least_likely=texts["least_likely"],
        most_likely=texts["most_likely"],
        why=fill(texts["why"], values),
        unsubscribe=texts["unsubscribe"],
    )


def fill(text: str, values: Mapping[str, str]) -> str:
    """``text`` on one line, with {brand}, {product} and {name} replaced, once: a brace within a value stays a brace."""
    return one_line(_PLACEHOLDER.sub(lambda found: values[found.group(1)], text))


def one_line(text: str) -> str:
    """Without line breaks and control characters, which would break a header or fake one, or turn the text around."""
    return _BLANKS.sub(" ", _DIRECTIONS.sub("", text)).strip()


def clipped(text: str | None, longest: int) -> str:
    """The text cut at ``longest`` characters with an ellipsis; empty when there is none."""
    line = one_line(text or "")
    return line if len(line) <= longest else line[: longest - 1].rstrip() + "…"


def given_name(name: str | None) -> str:
    """The name to greet with; empty for what is none: an address, a link, half a page."""
    line = one_line(name or "")
    return "" if len(line) > LONGEST_NAME or _NOT_A_NAME.search(line) else line


def _texts_for(texts: Mapping[str, CampaignTexts], locale: str, language: str) -> CampaignTexts | None:
    """The campaign's texts for exactly this locale, else for its language, however the campaign writes that."""
    if locale in texts:
        return texts[locale]
    return next((own for key, own in sorted(texts.items()) if resolve(key, "") == language), None)
