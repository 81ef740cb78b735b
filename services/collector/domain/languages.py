"""Which language a page is in, and what it says there."""

import re
from collections.abc import Mapping
from typing import Literal

from shared.contracts.campaigns import CampaignPublished
from shared.locales import resolve

RIGHT_TO_LEFT = frozenset({"ar", "dv", "fa", "he", "ps", "ur", "yi"})
# A header is read only so far: whoever sends more wants something else than a page.
_LONGEST_HEADER = 500
_PLACEHOLDER = re.compile(r"\{(brand|product|name)\}")

Texts = Mapping[str, str]


def language_of(asked: str | None, survey: str | None, accepted: str | None, default: str = "en") -> str:
    """One of the supported languages: the one asked for in the address, else the survey's own, else the first the
    browser accepts, else ``default``. ``accepted`` is an Accept-Language header (RFC 9110 §12.5.4)."""
    for locale in (asked, survey, *_preferred(accepted or "")):
        if locale and (language := resolve(locale, default="")):
            return language
    return resolve(default)


def direction_of(language: str) -> Literal["ltr", "rtl"]:
    return "rtl" if language in RIGHT_TO_LEFT else "ltr"


def campaign_text(campaign: CampaignPublished | None, field: str, language: str, locale: str | None) -> str | None:
    """The campaign's own wording of ``field``: of this very locale first, then of the language; None without one."""
    if campaign is None:
        return None
    own = locale if locale and resolve(locale, default="") == language else None
    for name in (own, language, *(name for name in sorted(campaign.texts) if resolve(name, default="") == language)):
        texts = campaign.texts.get(name) if name else None
        if texts is not None and (text := getattr(texts, field)):
            return str(text)
    return None


def filled(text: str, *, brand: str, product: str, name: str) -> str:
    """``text`` with its placeholders replaced. What is put in is never looked at again, so that a product named
    ``{brand}`` stays that. A greeting without a name closes up: "Hello {name}, …" becomes "Hello, …"."""
    if not name:
        text = re.sub(r"\s*\{name\}", "", text)
    values = {"brand": brand, "product": product, "name": name}
    return _PLACEHOLDER.sub(lambda found: values[found[1]], text)


def _preferred(header: str) -> list[str]:
    """Languages of an Accept-Language header, most wanted first; what is unreadable is passed over."""
    wanted: list[tuple[float, int, str]] = []
    for position, part in enumerate(header[:_LONGEST_HEADER].split(",")):
        language, _, quality = part.strip().partition(";")
        try:
            weight = float(quality.strip().lower().removeprefix("q=")) if quality else 1.0
        except ValueError:
            continue
        if 0 < weight <= 1:
            wanted.append((-weight, position, language))
    return [language for _, _, language in sorted(wanted)]
