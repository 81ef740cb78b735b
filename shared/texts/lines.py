"""Text from a shop or a customer, made safe to show inside ours: one line, not too long, and a name only if it is one."""

import re

MAX_NAME = 60
MAX_PRODUCT = 60

_BLANKS = re.compile(r"[\s\x00-\x1f\x7f\u2028\u2029]+")
# They reverse the text that follows; none of our languages needs them.
_DIRECTIONS = re.compile("[\u202a-\u202e\u2066-\u2069]")
# Otherwise a spammer who orders in a victim's name could have us deliver an advertisement as the greeting.
# Mail clients turn anything with a dot between letters into a link.
_NOT_A_NAME = re.compile(r"[@<>]|://|www\.|\.[^\W\d_]{2,}", re.IGNORECASE)


def one_line(text: str) -> str:
    """Removes line breaks and control characters, which could break or forge a header or reverse the text."""
    return _BLANKS.sub(" ", _DIRECTIONS.sub("", text)).strip()


def clipped(text: str | None, longest: int) -> str:
    """The text truncated to ``longest`` characters with an ellipsis; empty when there is none."""
    line = one_line(text or "")
    return line if len(line) <= longest else line[: longest - 1].rstrip() + "…"


def given_name(name: str | None) -> str:
    """The name to greet with; empty for anything that is not a name: an address, a link, half a page."""
    line = one_line(name or "")
    return "" if len(line) > MAX_NAME or _NOT_A_NAME.search(line) else line
