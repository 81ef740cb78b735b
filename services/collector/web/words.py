"""The texts of customer pages: the campaign's own where it has them, otherwise Hearback's."""

from pathlib import Path

from services.collector.domain.surveys import Survey
from shared.contracts.campaigns import Brand
from shared.nps import Group, group_of
from shared.texts.lines import given_name, product_name
from shared.texts.words import COMMON, Field, filled, load_texts, own_text, question_of

FOLDER = Path(__file__).parent / "texts"

_FOLLOW_UPS: dict[Group, Field] = {
    "detractor": "follow_up_detractor",
    "passive": "follow_up_passive",
    "promoter": "follow_up_promoter",
}


class Words:
    """Loads every language once; raises ValueError at startup when a text is missing in one."""

    def __init__(self) -> None:
        self._texts = load_texts(COMMON, FOLDER)

    def of_page(
        self, language: str, brand: Brand, survey: Survey | None = None, score: int | None = None
    ) -> dict[str, str]:
        """The texts of a page by key, with ``question`` and, for a score, its group's ``follow_up`` and ``thanks``."""
        words = dict(self._texts[language])
        if survey is not None:
            campaign = survey.campaign
            own = campaign.texts if campaign else {}
            locale = survey.send.locale
            words["question"] = question_of(campaign, words, language=language, locale=locale)
            if score is not None:
                group = group_of(score)
                key = _FOLLOW_UPS[group]
                words["follow_up"] = own_text(own, key, language=language, locale=locale) or words[key]
                words["thanks"] = words[f"thanks_{group}"]
        product = product_name(survey.send.product if survey else None) or words["unnamed_product"]
        name = given_name(survey.send.name if survey else None)
        return {key: filled(text, brand=brand.name, product=product, name=name) for key, text in words.items()}
