"""Which language a page is in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.collector.domain.languages import direction_of, language_of
from shared.locales import SUPPORTED


@pytest.mark.parametrize(
    ("asked", "survey", "accepted", "language"),
    [
        (None, "pt-BR", "ko,en;q=0.5", "pt"),
        ("ko", "pt-BR", None, "ko"),
        ("xx", "nn-NO", None, "nb"),
        (None, "fr", "fr;q=0.9, zh-TW;q=0.8, de", "zh-Hant"),
        (None, "fr", "*", "en"),
        (None, None, "en;q=0, ko;q=0.1", "ko"),
        (None, None, "en;Q=0.1, ko; q=0.2", "ko"),
        (None, None, "pt;q=high, nb;q=2, zh", "zh"),
        (None, None, None, "en"),
        ("../../etc", "", ";;;,,q=", "en"),
    ],
)
def test_the_readers_language(asked: str | None, survey: str | None, accepted: str | None, language: str) -> None:
    assert language_of(asked=asked, survey=survey, accepted=accepted) == language


@given(st.text(), st.text(), st.text())
def test_any_header_gives_a_language(asked: str, survey: str, accepted: str) -> None:
    assert language_of(asked=asked, survey=survey, accepted=accepted) in SUPPORTED


def test_directions() -> None:
    assert direction_of("en") == "ltr"
    assert direction_of("ar") == "rtl"
