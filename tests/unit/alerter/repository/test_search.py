"""Words staff search by."""

import pytest

from services.alerter.domain import revisions
from services.alerter.domain.search import searchable_texts
from services.alerter.repository import search
from tests.unit.alerter.examples import NOON, answer, context, routing


@pytest.mark.parametrize(
    ("typed", "query"),
    [
        ("Ana", "(ana:*)"),
        ("  train, BROKE ", "(train:*) & (broke:*)"),
        ("ana@example.com", "(ana:*) & (example:*) & (com:*)"),
        ("颜色不", "(颜 <-> 色 <-> 不:*)"),
        ("Não CHEGOU", "(nao:*) & (chegou:*)"),
        ("Na\u0303o", "(nao:*)"),
        ("Brønnøysund Straße Łódź", "(bronnoysund:*) & (strasse:*) & (lodz:*)"),
        ("' & | !()", None),
        ("", None),
    ],
)
def test_what_is_typed_becomes_words_to_look_for(typed: str, query: str | None) -> None:
    assert search.query(typed) == query


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("Não chegou", "nao chegou"),
        ("N\u0303ao, MAN\u0303ANA", "nao manana"),
        ("Æbler på øya", "aebler pa oya"),
        ("Þór Đặng ıstanbul", "thor dang istanbul"),
        ("한국 が", "한 국 が"),
        ("Ёлка", "елка"),
    ],
)
def test_accents_are_folded_but_no_syllable_is_taken_apart(written: str, found: str) -> None:
    assert search.document([written]) == found
    assert search.document([found]) == found


def test_documents_hold_lower_case_words_and_single_ideographs() -> None:
    assert search.document(["Far TOO late!", "颜色 ok_1"]) == "far too late 颜 色 ok 1"


def test_staff_find_a_case_by_comment_ids_customer_and_product() -> None:
    given = answer(2, customer_id="c-42", order_id="1001", comment="Far too late")
    case = revisions.apply(None, given, routing(), NOON)[0].case
    document = search.document(searchable_texts(case, context()))
    for word in ("late", "42", "1001", "prado", "train", "0199"):
        assert word in document.split()
