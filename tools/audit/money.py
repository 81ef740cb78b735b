"""Money as shops write it, read a second time: by its separators, one after the other."""

import re
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation

MOST_DIGITS = 15
"""Before the decimal point."""
FOUR_PLACES = Decimal("0.0001")

_SPACES = " ’'\u00a0\u202f"


def amount_of(written: object) -> Decimal | None:
    """The amount, to four decimal places; None if it cannot be understood beyond doubt."""
    if isinstance(written, bool) or not isinstance(written, str | int | float):
        return None
    text = written.strip() if isinstance(written, str) else repr(written)
    try:
        amount = Decimal(_plain(text))
        if amount.is_finite() and amount.as_tuple().exponent < -4:  # type: ignore[operator]  # an integer if finite
            amount = amount.quantize(FOUR_PLACES, ROUND_HALF_EVEN)
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and abs(amount) < 10**MOST_DIGITS else None


def _plain(text: str) -> str:
    """With a decimal point and no groups; empty if it is not clear which is which."""
    separators = re.findall(r"[^0-9]", text.removeprefix("-"))
    if not set(separators) <= {".", ",", *_SPACES} or not re.fullmatch(r"-?[0-9].*[0-9]|-?[0-9]", text, re.DOTALL):
        return text.replace(",", "?")
    if not separators:
        return text
    first, last = separators[0], separators[-1]
    several = separators.count(last) > 1
    if len(separators) == 1 and last == ".":
        return text
    if len(separators) == 1 and last == ",":
        return "" if len(text.rpartition(",")[2]) == 3 else text.replace(",", ".")
    whole, fraction = (text, "") if first == last else text.rsplit(last, 1)
    grouped = re.split(r"[^0-9]", whole.removeprefix("-"))
    consistent = len(set(separators[: len(separators) - (first != last)])) == 1 and (first == last or not several)
    if not consistent or not 1 <= len(grouped[0]) <= 3 or any(len(group) != 3 for group in grouped[1:]):
        return ""
    if first != last and last not in ".,":
        return ""
    return re.sub(r"[^0-9-]", "", whole) + (f".{fraction}" if fraction else "")
