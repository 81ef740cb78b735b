"""A segment said in an order, in an answer or in a routing rule is one segment, however it is spelt."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.adjustments import adjusted_order
from shared.segment_values import as_recorded


@pytest.mark.parametrize(
    ("given_segments", "recorded"),
    [
        ({"country": "br"}, {"country": "BR"}),
        ({"country": ["br", "BR", " no "]}, {"country": ["BR", "NO"]}),
        ({"country": "South Korea", "tier": "gold "}, {"country": "South Korea", "tier": "gold"}),
        ({"region": "Sa\u0303o Paulo"}, {"region": "São Paulo"}),
        ({"tier": "br"}, {"tier": "br"}),
        ({"tier": " ", "category": [" ", "\u200b"], "region": ["", "SP"]}, {"region": ["SP"]}),
        ({}, {}),
    ],
)
def test_however_it_is_spelt(given_segments: dict[str, str | list[str]], recorded: dict[str, str | list[str]]) -> None:
    assert as_recorded(given_segments) == recorded


@given(st.sampled_from(["country", "region", "tier"]), st.text(max_size=20))
def test_an_answer_and_an_order_say_the_same(dimension: str, text: str) -> None:
    body, _ = adjusted_order({"customer": {"id": "c-1", dimension: text}})
    customer = body["customer"]
    assert isinstance(customer, dict)
    # What an order's adjustment replaces, an answer may not contain.
    if not any(unicodedata.category(each) in ("Cc", "Cs") for each in text):
        assert as_recorded({dimension: text}).get(dimension) == customer[dimension]
