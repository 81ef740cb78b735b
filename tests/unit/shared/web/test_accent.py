"""Any colour a shop chooses ends readable, and the page's own colours are, also to colour-blind eyes."""

import re
from itertools import combinations
from math import dist
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.web import pages
from shared.web.accent import (
    DARK_SURFACES,
    LIGHT_SURFACES,
    OUTLINE_CONTRAST,
    TEXT_CONTRAST,
    accent,
    accent_style,
    accessible,
    contrast,
    luminance,
    text_on,
)

colors = st.integers(0, 0xFFFFFF).map(lambda number: f"#{number:06x}")
BASE = (Path(pages.__file__).parent / "static" / "base.css").read_text()

# Machado, Oliveira and Fernandes, "A Physiologically-based Model for Simulation of Color Vision Deficiency", IEEE
# TVCG 15(6), 2009: severity 1.0, on linear RGB.
EYES = {
    "full colour": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protan": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deutan": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "tritan": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
}


def named_values(dark: bool) -> dict[str, str]:
    """The colours base.css gives its variables in one mode."""
    light_part, dark_part = BASE.split("@media (prefers-color-scheme: dark)", 1)
    chosen = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", light_part))
    if dark:
        chosen |= dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", dark_part.split("/* Ground */")[0]))
    return chosen


def test_the_known_contrasts() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#ffffff", "#ffffff") == 1
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.005)


@given(colors, st.sampled_from([*LIGHT_SURFACES, *DARK_SURFACES]), st.sampled_from([3.0, 4.5, 7.0]))
def test_any_color_becomes_readable(color: str, surface: str, minimum: float) -> None:
    assert contrast(accessible(color, on=surface, minimum=minimum), surface) >= minimum


@given(colors, st.sampled_from(LIGHT_SURFACES))
def test_what_is_readable_is_left_alone(color: str, surface: str) -> None:
    if contrast(color, surface) >= TEXT_CONTRAST:
        assert accessible(color, on=surface) == color


@given(colors)
def test_darkening_goes_no_further_than_needed(color: str) -> None:
    changed = accessible(color, on="#ffffff")
    if changed != color:
        assert contrast(changed, "#ffffff") < TEXT_CONTRAST * 1.12


@given(colors)
def test_a_button_in_the_brands_color_can_be_read_in_both_modes(color: str) -> None:
    for surfaces in (LIGHT_SURFACES, DARK_SURFACES):
        chosen = accent(color, surfaces)
        assert min(contrast(chosen.color, surface) for surface in surfaces) >= TEXT_CONTRAST
        assert contrast(chosen.on, chosen.color) >= TEXT_CONTRAST


@given(colors)
def test_text_on_any_color_can_be_read(color: str) -> None:
    assert contrast(text_on(color), color) >= 4.2


@pytest.mark.parametrize("wrong", ["", "red", "#fff", "#0b5ff", "#0b5fff;}", "#gggggg", "#0b5fff\n"])
def test_what_is_no_color_cannot_get_into_a_style(wrong: str) -> None:
    with pytest.raises(ValueError, match="#rrggbb"):
        accent_style(wrong)


def test_luminance_runs_from_black_to_white() -> None:
    assert luminance("#000000") == 0
    assert luminance("#ffffff") == pytest.approx(1)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_style_sheet_s_colours_have_contrast(dark: bool) -> None:
    values = named_values(dark)
    surfaces = (values["page"], values["surface"])
    assert set(surfaces) == set(DARK_SURFACES if dark else LIGHT_SURFACES)
    for name in ("text", "quiet", "accent", "danger", "success"):
        assert min(contrast(values[name], surface) for surface in surfaces) >= TEXT_CONTRAST, name
    for name in ("outline", "detractor", "passive", "promoter"):
        assert min(contrast(values[name], surface) for surface in surfaces) >= OUTLINE_CONTRAST, name
    assert contrast(values["on-accent"], values["accent"]) >= TEXT_CONTRAST


@pytest.mark.parametrize("eyes", EYES)
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_three_groups_differ_to_all_eyes(dark: bool, eyes: str) -> None:
    values = named_values(dark)
    for one, other in combinations(("detractor", "passive", "promoter"), 2):
        assert difference(values[one], values[other], EYES[eyes]) >= 0.12, (one, other)


Matrix = tuple[tuple[float, ...], ...]


def difference(one: str, other: str, eyes: Matrix) -> float:
    """Distance in OKLab (B. Ottosson, 2020) as these eyes see it; 0.02 is just noticeable, 1 is black to white."""
    return dist(oklab(one, eyes), oklab(other, eyes))


def oklab(color: str, eyes: Matrix) -> tuple[float, float, float]:
    encoded = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in encoded]
    red, green, blue = (min(1.0, max(0.0, sum(w * p for w, p in zip(row, linear, strict=True)))) for row in eyes)
    long = (0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue) ** (1 / 3)
    medium = (0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue) ** (1 / 3)
    short = (0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue) ** (1 / 3)
    return (
        0.2104542553 * long + 0.7936177850 * medium - 0.0040720468 * short,
        1.9779984951 * long - 2.4285922050 * medium + 0.4505937099 * short,
        0.0259040371 * long + 0.7827717662 * medium - 0.8086757660 * short,
    )
