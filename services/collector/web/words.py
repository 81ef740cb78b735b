"""What a customer's page says: the shop's own words where it has some, Hearback's in five languages otherwise."""

from pathlib import Path

from services.collector.domain.languages import Texts, campaign_text, filled
from services.collector.repository.sends import Survey
from shared.contracts.campaigns import Brand
from shared.nps import group_of
from shared.texts.words import load_texts

_COMMON = Path(__file__).parents[3] / "shared" / "texts"
_OWN = Path(__file__).parent / "texts"


class Wording:
    """Loads every language once; ValueError at start when a text is missing in one."""

    def __init__(self) -> None:
        common, own = load_texts(_COMMON), load_texts(_OWN)
        self._texts: dict[str, Texts] = {language: {**common[language], **own[language]} for language in common}

    def words(
        self, language: str, brand: Brand, survey: Survey | None = None, score: int | None = None
    ) -> dict[str, str]:
        """The texts of a page by key, with ``question``, and with a score ``follow_up`` and ``thanks`` of its group."""
        words = dict(self._texts[language])
        if survey is not None:
            campaign = survey.campaign
            subject = campaign.subject_of_question if campaign else "brand"
            locale = survey.send.locale
            words["question"] = campaign_text(campaign, "question", language, locale) or words[f"question_{subject}"]
            if score is not None:
                group = group_of(score)
                follow_up = f"follow_up_{group}"
                words["follow_up"] = campaign_text(campaign, follow_up, language, locale) or words[follow_up]
                words["thanks"] = words[f"thanks_{group}"]
        product = (survey.send.product if survey else None) or words["unnamed_product"]
        name = (survey.send.name if survey else None) or ""
        return {key: filled(text, brand=brand.name, product=product, name=name) for key, text in words.items()}
