"""Makes a shop's colours readable: contrast by WCAG 2.2, and the nearest colour of the same hue that passes.

Colours are ``#rrggbb``. Darkening and lightening happen in linear light, where luminance is a weighted sum: the right
amount then has a closed form, and the hue is preserved.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from math import ceil, floor

from shared.contracts.campaigns import COLOR_PATTERN

TEXT_CONTRAST = 4.5
"""The contrast WCAG AA requires for text (success criterion 1.4.3)."""
OUTLINE_CONTRAST = 3.0
"""The contrast it requires for controls and meaningful graphics (1.4.11)."""

LIGHT_SURFACES = ("#ffffff", "#f4f5f7")
DARK_SURFACES = ("#12151a", "#1c2128")
"""The surfaces of ``static/base.css``, card and page, on which an accent colour must be readable."""
DARK_TEXT = "#14171b"
LIGHT_TEXT = "#ffffff"

_HEX = re.compile(COLOR_PATTERN)
_WEIGHTS = (0.2126, 0.7152, 0.0722)


@dataclass(frozen=True, slots=True, kw_only=True)
class Accent:
    """``color`` is readable as text on the page and as a button's background; ``on`` is the text colour on it."""

    color: str
    on: str


def luminance(color: str) -> float:
    """Relative luminance from 0 (black) to 1 (white), as WCAG 2.2 defines it. ValueError unless ``#rrggbb``."""
    return sum(weight * part for weight, part in zip(_WEIGHTS, _linear(color), strict=True))


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours, from 1 to 21, in either order."""
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def accessible(color: str, *, on: str, minimum: float = TEXT_CONTRAST) -> str:
    """``color`` itself if its contrast with ``on`` is sufficient, else the nearest darker one of the same hue, or the
    nearest lighter one on a dark surface. Black or white if even that is not enough."""
    if contrast(color, on) >= minimum:
        return color.lower()
    ground = luminance(on)
    if contrast("#000000", on) >= contrast("#ffffff", on):
        goal = (ground + 0.05) / minimum - 0.05
        share = max(0.0, goal) / luminance(color)
        return _hex(tuple(part * share for part in _linear(color)), floor)
    goal = (ground + 0.05) * minimum - 0.05
    own = luminance(color)
    share = min(1.0, (goal - own) / (1 - own))
    return _hex(tuple(part + share * (1 - part) for part in _linear(color)), ceil)


def text_on(color: str) -> str:
    """White if it is readable on ``color``, else near-black or white, whichever has more contrast."""
    if contrast(LIGHT_TEXT, color) >= TEXT_CONTRAST:
        return LIGHT_TEXT
    return max(DARK_TEXT, LIGHT_TEXT, key=lambda text: contrast(text, color))


def accent(brand_color: str, surfaces: tuple[str, ...]) -> Accent:
    """The brand's colour, adjusted for ``surfaces`` (LIGHT_SURFACES or DARK_SURFACES)."""
    color = brand_color
    for surface in surfaces:
        color = accessible(color, on=surface)
    return Accent(color=color, on=text_on(color))


@lru_cache(maxsize=100)
def accent_style(brand_color: str) -> str:
    """The CSS that sets the accent of ``base.css`` in light and dark mode. Safe inside a style element, because it
    contains only validated colours. ValueError unless ``#rrggbb``."""
    light, dark = accent(brand_color, LIGHT_SURFACES), accent(brand_color, DARK_SURFACES)
    return (
        f":root{{--accent:{light.color};--on-accent:{light.on}}}"
        f"@media (prefers-color-scheme:dark){{:root{{--accent:{dark.color};--on-accent:{dark.on}}}}}"
    )


def _linear(color: str) -> tuple[float, ...]:
    """Red, green and blue in linear light, 0 to 1 (the sRGB transfer function, IEC 61966-2-1)."""
    if not _HEX.fullmatch(color):
        raise ValueError(f"the colour is {color!r}; write it as #rrggbb, such as #0b5fff")
    parts = (int(color[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return tuple(part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)


def _hex(linear: tuple[float, ...], whole: Callable[[float], int]) -> str:
    """``whole`` rounds away from the surface (floor when darkening), so that rounding never reduces the contrast."""
    encoded = (part * 12.92 if part <= 0.0031308 else 1.055 * part ** (1 / 2.4) - 0.055 for part in linear)
    return "#" + "".join(f"{min(255, max(0, whole(255 * part))):02x}" for part in encoded)
