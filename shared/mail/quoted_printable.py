"""Text in quoted-printable (RFC 2045 §6.7): lines of at most 76 ASCII characters, also in one that has gaps."""

import binascii
import re
from collections.abc import Mapping

_SOFT_BREAK = "=\r\n"
_MAX_LINE = 76


def quoted_printable(text: str) -> str:
    encoded = binascii.b2a_qp(text.replace("\r\n", "\n").encode(), istext=True)
    return encoded.decode("ascii").replace("\n", "\r\n")


class Frame:
    """A text with gaps: it is encoded once, and what is filled in for each message.

    What is in a gap stands on encoded lines of its own, which whoever decodes them does not see.
    """

    def __init__(self, text: str) -> None:
        """``text`` has its gaps as ``gap`` writes them."""
        around = _GAP.split(text)
        self._fixed = [_part(each) for each in around[::2]]
        self._names = around[1::2]

    def filled(self, values: Mapping[str, str]) -> str:
        """The encoded text with these values in its gaps, by name."""
        encoded = {name: _part(values[name]) for name in set(self._names)}
        parts = [self._fixed[0]]
        for name, after in zip(self._names, self._fixed[1:], strict=True):
            parts += (encoded[name], after)
        return _SOFT_BREAK.join(parts)


def _part(text: str) -> str:
    """Encoded, with room for a soft break in its last line."""
    encoded = quoted_printable(text)
    if len(encoded) - encoded.rfind("\n") - 1 < _MAX_LINE:
        return encoded
    cut = len(encoded) - (3 if encoded[-3] == "=" else 1)
    return encoded[:cut] + _SOFT_BREAK + encoded[cut:]


def gap(name: str) -> str:
    """How a gap is written in the text of a frame."""
    return f"\x02{name}\x03"


_GAP = re.compile("\x02([^\x03]*)\x03")
