"""The language of a page, and its text direction."""

from typing import Literal

from shared.locales import resolve

RIGHT_TO_LEFT = frozenset({"ar", "dv", "fa", "he", "ps", "ur", "yi"})
# Characters. No browser sends more; the rest of a longer header is ignored.
_LONGEST_HEADER = 500


def language_of(*, asked: str | None, survey: str | None, accepted: str | None, default: str = "en") -> str:
    """One of the supported languages: the one in the URL, else the survey's own, else the first one accepted by the
    browser, else ``default``. ``accepted`` is an Accept-Language header (RFC 9110 §12.5.4)."""
    for locale in (asked, survey, *_preferred(accepted or "")):
        if locale and (language := resolve(locale, default="")):
            return language
    return resolve(default)


def direction_of(language: str) -> Literal["ltr", "rtl"]:
    return "rtl" if language in RIGHT_TO_LEFT else "ltr"


def _preferred(header: str) -> list[str]:
    """The languages of an Accept-Language header, most preferred first; invalid parts are ignored."""
    weighted: list[tuple[float, int, str]] = []
    for position, part in enumerate(header[:_LONGEST_HEADER].split(",")):
        language, _, quality = part.strip().partition(";")
        try:
            weight = float(quality.strip().lower().removeprefix("q=")) if quality else 1.0
        except ValueError:
            continue
        if 0 < weight <= 1:
            weighted.append((-weight, position, language))
    return [language for _, _, language in sorted(weighted)]
