"""Text from a shop or a customer, made safe to insert into ours: one line, clipped, and a name only if it is one."""

import re

MAX_NAME = 60
MAX_PRODUCT = 60

_BLANKS = re.compile(r"[\s\x00-\x1f\x7f\u2028\u2029]+")
# They reverse the text that follows; none of our languages needs them.
_DIRECTIONS = re.compile("[\u202a-\u202e\u2066-\u2069]")
# Nobody sees them, and they split words that a filter looks for. Joiners (U+200C, U+200D) belong to some scripts.
_INVISIBLE = re.compile("[\u00ad\u200b\u200e\u200f\u2060-\u2064\ufeff]")
# Otherwise a spammer who orders in a victim's name could have us deliver an advertisement as the greeting.
# Mail clients turn anything with a dot between letters into a link, and decode =?…?= wherever it stands.
_NOT_A_NAME = re.compile(r"[@<>{}\[\]|%$]|=\?|://|www\.|\.[^\W\d_]{2,}", re.IGNORECASE)
# What programs and people write where there is nothing to write. Nan, Nil and Na are people's names.
_PLACEHOLDER = re.compile(r"(?i:\(?null\)?|undefined|none|n(/|\. ?)a\.?|not available)|NaN")
_NOBODY = re.compile(r"unknown|guest|anonymous|no name", re.IGNORECASE)
_LEFT_OUT = re.compile(r"\(?\b(null|undefined)\b\)?", re.IGNORECASE)


def one_line(text: str) -> str:
    """Removes line breaks and control characters, which could break or forge a header or reverse the text, and what
    cannot be seen."""
    if text.isascii() and text.isprintable() and "  " not in text:
        return text.strip()  # most are one, in a fraction of the time
    return _BLANKS.sub(" ", _INVISIBLE.sub("", _DIRECTIONS.sub("", text))).strip()


def clipped(text: str | None, longest: int) -> str:
    """The text truncated to ``longest`` characters with an ellipsis; empty when there is none."""
    line = one_line(text or "")
    return line if len(line) <= longest else line[: longest - 1].rstrip() + "…"


def product_name(name: str | None) -> str:
    """The product's name, clipped; empty for a placeholder such as ``null`` or ``-``."""
    line = one_line(name or "")
    empty = _PLACEHOLDER.fullmatch(line) or not any(character.isalnum() for character in line)
    return "" if empty else clipped(line, MAX_PRODUCT)


def given_name(name: str | None) -> str:
    """The name to greet with; empty for anything that is not a name: a placeholder, an address, a link, half a page."""
    line = one_line(_LEFT_OUT.sub(" ", one_line(name or "")))
    is_name = (
        len(line) <= MAX_NAME
        and any(character.isalpha() for character in line)
        and not (_NOT_A_NAME.search(line) or _PLACEHOLDER.fullmatch(line) or _NOBODY.fullmatch(line))
    )
    return line if is_name else ""
