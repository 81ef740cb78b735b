"""The message of one survey: its headers, and that nothing written in it becomes one."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.contracts.campaigns import CampaignTexts
from tests.unit.dispatcher.courier.channels.email.kit import NOW, Page, campaign, mail, part, survey


def test_the_headers_are_those_of_a_mail_one_can_unsubscribe_from_and_recognise_again() -> None:
    _, message = mail(survey(), campaign())
    assert message["Message-ID"] == "<0b5fe3c7-30c1-5b11-9f9f-111111111111@shop.test>"
    assert message["X-Hearback-Send-Id"] == "0b5fe3c7-30c1-5b11-9f9f-111111111111"
    assert message["From"] == "Fjord & Fell <surveys@shop.test>"
    assert message["List-Unsubscribe"] == "<https://answers.test/unsubscribe/token>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Date"].datetime == NOW
    assert message.defects == []


anything = st.text(st.characters(exclude_categories=["Cs"]), max_size=200).filter(lambda text: "\x00" not in text)


@settings(max_examples=150)
@given(name=anything, product=anything, brand=anything.filter(bool), subject=anything)
def test_nothing_a_person_or_product_is_called_adds_a_header_a_tag_or_a_placeholder(
    name: str, product: str, brand: str, subject: str
) -> None:
    texts = {"en": CampaignTexts(subject=subject or None, question="{name}|{product}|{brand}")}
    words, message = mail(survey(name=name, product=product), campaign("product", texts, name=brand))
    plain, _ = mail(survey(), campaign()), None
    assert message.keys() == plain[1].keys()
    assert message.defects == []
    assert str(message["Subject"]).split() == words.subject.split()
    page, expected = Page(part(message, "html")), Page(part(plain[1], "html"))
    assert [link for link, _ in page.links] == [link for link, _ in expected.links]
    assert page.images == []


@pytest.mark.parametrize("attack", ["a\r\nBcc: all@example.com", "a\nX-Spam: no", "a\x0b\x0c\x85\u2028b", '"><script>'])
def test_line_breaks_and_tags_stay_text(attack: str) -> None:
    _, message = mail(survey(name=attack, product=attack), campaign("product", name=attack))
    assert message["Bcc"] is None and message["X-Spam"] is None
    assert "<script" not in part(message, "html")
