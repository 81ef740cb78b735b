"""The texts of a survey: field by field the campaign's own, or else Hearback's."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, get_args

import yaml

from shared.contracts.campaigns import CampaignPublished, CampaignTexts, SubjectOfQuestion
from shared.locales import SUPPORTED, resolve
from shared.texts.placeholders import PLACEHOLDERS

COMMON = Path(__file__).parent
"""The folder of the texts shared by all channels: the question, the ends of the scale, the follow-up and thanks."""

Texts = Mapping[str, Mapping[str, str]]
"""Language to key to text."""

Field = Literal["subject", "introduction", "question", "follow_up_detractor", "follow_up_passive", "follow_up_promoter"]

_SUBJECTS = get_args(SubjectOfQuestion)
_PLACEHOLDER = re.compile(rf"(\s*)({'|'.join(map(re.escape, PLACEHOLDERS))})")


def load_texts(*folders: Path) -> Texts:
    """The texts of every language: ``<language>.yaml`` files of one level, a later folder overrides an earlier one.

    Raises ValueError naming file and key when a language has a missing or an extra text.
    """
    texts: dict[str, dict[str, str]] = {language: {} for language in SUPPORTED}
    for folder in folders:
        for language, entries in _load_folder(folder).items():
            texts[language] |= entries
    return texts


def survey_language(locale: str | None, *, default_locale: str) -> str:
    """The language in which a survey is sent and its page is shown: the customer's, or else the campaign's default."""
    return resolve(locale, default=resolve(default_locale))


def own_text(texts: Mapping[str, CampaignTexts], field: Field, *, language: str, locale: str | None) -> str | None:
    """The campaign's own ``field`` for a reader of ``language`` whose ``locale`` is known; None when it has none.

    That of exactly this locale, else of the language itself, else of another locale of the language, the first by
    name. A locale of another of our languages does not count: a reader may have chosen another since. One of a
    language we have no texts in does: the campaign's words are all there is in it.
    """
    exact = [locale] if locale is not None and resolve(locale, default=language) == language else []
    others = sorted(name for name in texts if resolve(name, default="") == language)
    for name in (*exact, language, *others):
        own: str | None = getattr(texts.get(name), field, None)
        if own:
            return own
    return None


def question_of(
    campaign: CampaignPublished | None, ours: Mapping[str, str], *, language: str, locale: str | None
) -> str:
    """The survey's question, not filled in yet: the campaign's own, or else ours about its subject.

    ``ours`` are our texts of ``language``. Without a campaign the question is about the brand.
    """
    if campaign is None:
        return ours["question_brand"]
    own = own_text(campaign.texts, "question", language=language, locale=locale)
    return own or ours[f"question_{subject_of(campaign)}"]


def subject_of(campaign: CampaignPublished) -> SubjectOfQuestion:
    """What the campaign's question is about. What only a newer release knows how to ask about counts as the brand."""
    return campaign.subject_of_question if campaign.subject_of_question in _SUBJECTS else "brand"


def filled(text: str, *, brand: str, product: str, name: str) -> str:
    """``text`` with {brand}, {product} and {name} replaced, in one pass: inserted values are not expanded again.

    An empty value is removed together with the space before it: "Hello {name}, …" becomes "Hello, …".
    """
    values = {"{brand}": brand, "{product}": product, "{name}": name}

    def value(found: re.Match[str]) -> str:
        space, placeholder = found.groups()
        return space + values[placeholder] if values[placeholder] else ""

    return _PLACEHOLDER.sub(value, text)


def _load_folder(folder: Path) -> dict[str, dict[str, str]]:
    texts: dict[str, dict[str, str]] = {}
    for language in SUPPORTED:
        path = folder / f"{language}.yaml"
        loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
        if not isinstance(loaded, dict):
            raise ValueError(f"{path}: must be a mapping of key to text")
        texts[language] = {str(key): str(text) for key, text in loaded.items()}
    expected = set(texts[SUPPORTED[0]])
    for language, entries in texts.items():
        if wrong := expected.symmetric_difference(entries):
            raise ValueError(f"{folder / language}.yaml: {sorted(wrong)[0]!r} is not in every language")
    return texts
